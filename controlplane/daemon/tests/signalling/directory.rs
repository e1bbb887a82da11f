//! The DHP directory as an operator sees it

use std::time::Duration;

use dhp_proto::anchor::{AnchorConfig, DirectoryEntry, PathOutcome};
use dhpd::directory_page;
use dhpd::snapshot::Snapshot;

use crate::rig::*;

fn rig() -> Rig {
    let entry = |dhp: &str, prefix: &str| DirectoryEntry {
        dhp: dhp.parse().expect("an address"),
        prefix: net(prefix),
        preference: 100,
        load: 0,
        path_rtt_us: 0,
    };
    let directory = vec![
        entry("2001:db8:e::2", "2001:db8:c::/48"),
        entry("2001:db8:e::1", "2001:db8:c::/48"),
        entry("2001:db8:e::1", "2001:db8:f::/48"),
    ];
    let config = AnchorConfig {
        directory,
        ..anchor_config()
    };
    Rig::with(config, territory())
}

#[test]
fn the_directory_comes_in_pages_with_the_own_coverage_first() {
    let mut rig = rig();
    let all = directory_page::take(&mut rig.signalling, None, 512);
    assert_eq!((all.own.len(), all.others.len(), all.more), (1, 3, false));
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = directory_page::take(&mut rig.signalling, after, 1);
        assert_eq!(page.own.is_empty(), after.is_some());
        let Some(last) = page.others.last() else {
            panic!("a page with more behind it has something");
        };
        after = Some((last.prefix, last.dhp));
        paged.extend(page.others);
        if !page.more {
            break;
        }
    }
    assert_eq!(paged, all.others);
}

#[test]
fn what_was_measured_and_draining_are_seen() {
    let mut rig = rig();
    let answered = PathOutcome::Answered(Duration::from_micros(700));
    rig.signalling.note_path(net("2001:db8:c::/48"), answered);
    rig.signalling.set_draining(true);
    let page = directory_page::take(&mut rig.signalling, None, 512);
    let own = page.own.first().expect("the coverage");
    assert_eq!(own.path_rtt_us, Some(700));
    assert_eq!((own.load, own.is_named), (255, false));
    assert!(page.others.iter().all(|entry| entry.is_named));
}

#[test]
fn the_metrics_have_the_load_and_the_path_of_the_own_coverage_while_it_is_known() {
    let mut rig = rig();
    let prefix = net("2001:db8:c::/48");
    let told = |rig: &mut Rig| {
        let snapshot = Snapshot::take(&mut rig.signalling, 1);
        rig.metrics.update(&snapshot, 0);
        let text = rig.metrics.text().expect("a text");
        let is_of_coverage = |line: &&str| line.contains(r#"{prefix="2001:db8:c::/48"}"#);
        text.lines()
            .filter(is_of_coverage)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let load = |load: u8| format!(r#"dmip_directory_load{{prefix="2001:db8:c::/48"}} {load}"#);
    assert_eq!(told(&mut rig), [load(0)]);
    let answered = PathOutcome::Answered(Duration::from_micros(700));
    rig.signalling.note_path(prefix, answered);
    rig.signalling.set_draining(true);
    let rtt = r#"dmip_path_rtt_seconds{prefix="2001:db8:c::/48"} 0.0007"#.to_owned();
    assert_eq!(told(&mut rig), [load(255), rtt]);
    rig.signalling.note_path(prefix, PathOutcome::Unmeasured);
    assert_eq!(told(&mut rig), [load(255)]);
}
