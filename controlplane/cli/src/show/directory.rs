//! The DHP directory as people read it

use std::time::Duration;

use dhpctl::{Directory, DirectoryEntry};

use super::optional;
use crate::table::Table;

pub(super) fn text(page: &Directory) -> String {
    let mut table = Table::new(&[
        "CORRESPONDENTS",
        "DHP",
        ">PREFERENCE",
        ">LOAD",
        ">PATH RTT",
        "HEARTBEATS",
        "NAMED",
    ]);
    let own = page.own.iter().map(|entry| (entry, "this one"));
    let others = page.others.iter().map(|entry| (entry, "-"));
    for (entry, otherwise) in own.chain(others) {
        table.row(row(entry, otherwise));
    }
    table.to_string()
}

fn row(entry: &DirectoryEntry, no_peer: &str) -> [String; 7] {
    let path_rtt = entry.path_rtt_us.map(|us| Duration::from_micros(us.into()));
    let load = match entry.load {
        255 => "full".to_owned(),
        load => format!("{load}/255"),
    };
    [
        entry.prefix.to_string(),
        entry.dhp.to_string(),
        entry.preference.to_string(),
        load,
        path_rtt.map_or_else(|| "unknown".to_owned(), |time| format!("{time:?}")),
        optional(entry.peer.as_ref(), no_peer),
        if entry.is_named { "yes" } else { "no" }.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_coverage_comes_first() {
        let entry = |prefix: &str, load, path_rtt_us, peer: Option<&str>| DirectoryEntry {
            prefix: prefix.parse().expect("a prefix"),
            dhp: "2001:db8:d::1".parse().expect("an address"),
            preference: 100,
            load,
            path_rtt_us,
            peer: peer.map(str::to_owned),
            is_named: peer != Some("down"),
        };
        let page = Directory {
            own: vec![entry("2001:db8:c::/48", 12, Some(1_500), None)],
            others: vec![entry("2001:db8::/32", 255, None, Some("down"))],
            more: false,
        };
        assert_eq!(
            text(&page),
            "CORRESPONDENTS   DHP            PREFERENCE    LOAD  PATH RTT  HEARTBEATS  NAMED\n\
             2001:db8:c::/48  2001:db8:d::1         100  12/255     1.5ms  this one    yes\n\
             2001:db8::/32    2001:db8:d::1         100    full   unknown  down        no\n"
        );
    }
}
