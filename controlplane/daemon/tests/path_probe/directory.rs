//! The directory of a `dhpd` with one coverage, as an operator sees it

use std::time::Duration;

use dhpctl::{Answer, LARGEST_PAGE, Reply, Request};

use crate::support::daemon::Daemon;
use crate::support::until;

fn ask(daemon: &Daemon, request: &Request) -> Reply {
    let answer = daemon.ask(&serde_json::to_string(request).expect("JSON"));
    match serde_json::from_str(&answer).expect("an answer of the vocabulary") {
        Answer::Ok(reply) => reply,
        Answer::Error(sentence) => panic!("{sentence}"),
    }
}

pub fn reload(daemon: &Daemon) {
    let Reply::Reloaded(reloaded) = ask(daemon, &Request::Reload) else {
        panic!("not reloaded");
    };
    let changes = reloaded.changes.iter();
    let changes: Vec<_> = changes.map(|change| change.what.as_str()).collect();
    assert_eq!(changes, ["coverage 2001:db8:c::/48"]);
}

/// How far the correspondents are; what is configured of another DHP stands beside it.
pub fn path_rtt(daemon: &Daemon) -> Option<Duration> {
    let request = Request::Directory {
        after: None,
        after_dhp: None,
        limit: LARGEST_PAGE,
    };
    let Reply::Directory(directory) = ask(daemon, &request) else {
        panic!("not the directory");
    };
    let [other] = &*directory.others else {
        panic!("{directory:?}");
    };
    assert_eq!((other.load, other.path_rtt_us), (200, Some(1_500)));
    let [own] = &*directory.own else {
        panic!("{directory:?}");
    };
    assert_eq!((own.load, own.is_named), (0, true));
    own.path_rtt_us
        .map(|us| Duration::from_micros(u64::from(us)))
}

/// The same, once it is so.
pub fn path_rtt_when(
    daemon: &Daemon,
    is_so: impl Fn(Option<Duration>) -> bool,
) -> Option<Duration> {
    until("the path's round-trip time", || {
        let path_rtt = path_rtt(daemon);
        // It is asked for once a second: looking all the time would only keep the machine busy.
        std::thread::sleep(Duration::from_millis(20));
        is_so(path_rtt).then_some(path_rtt)
    })
}
