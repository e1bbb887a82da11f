//! `dhpd` with one coverage, asked for its directory

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dhpctl::{Answer, LARGEST_PAGE, Reply, Request};

use crate::ANCHOR;
use crate::namespaces::Namespace;

/// A running `dhpd`, which ends with the test.
pub struct Daemon {
    process: Child,
    socket: PathBuf,
    config: PathBuf,
    _directory: tempfile::TempDir,
}

impl Daemon {
    pub fn start(namespace: &Namespace) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let (config, socket) = (path("dhpd.toml"), path("dhpd.sock"));
        let text = format!(
            "[anchor]\naddress = \"{ANCHOR}\"\n[[port]]\ninterface = \"cn0\"\n\
             [[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n\
             [api]\nsocket = \"{}\"\nmetrics = \"off\"\n\
             [[coverage]]\nprefix = \"2001:db8:c::/48\"\n\
             [[directory]]\ndhp = \"2001:db8:e::1\"\nprefix = \"2001:db8:f::/48\"\nload = 200\npath-rtt = \"1500us\"\n",
            socket.display()
        );
        std::fs::write(&config, text).expect("written");
        let dhpd = env!("CARGO_BIN_EXE_dhpd");
        let mut process = Command::new("ip")
            .args(["netns", "exec", namespace.name(), dhpd, "run", "--config"])
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip is there");
        let mut log = BufReader::new(process.stderr.take().expect("piped")).lines();
        let ready = log.by_ref().map_while(Result::ok).any(|line| {
            eprintln!("dhpd: {line}");
            line.contains("dhpd runs")
        });
        // The pipe must not fill up.
        std::thread::spawn(move || {
            log.map_while(Result::ok)
                .for_each(|line| eprintln!("dhpd: {line}"))
        });
        assert!(ready, "dhpd has ended");
        Self {
            process,
            socket,
            config,
            _directory: directory,
        }
    }

    fn ask(&self, request: &Request) -> Reply {
        let mut stream = BufReader::new(UnixStream::connect(&self.socket).expect("the socket"));
        let request = serde_json::to_string(request).expect("JSON");
        writeln!(stream.get_mut(), "{request}").expect("written");
        let mut answer = String::new();
        stream.read_line(&mut answer).expect("an answer");
        match serde_json::from_str(&answer).expect("an answer of the vocabulary") {
            Answer::Ok(reply) => reply,
            Answer::Error(sentence) => panic!("{sentence}"),
        }
    }

    /// Change the configuration file.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.config).expect("readable");
        assert!(text.contains(from), "{text}");
        std::fs::write(&self.config, text.replace(from, to)).expect("written");
    }

    pub fn reload(&self) {
        let Reply::Reloaded(reloaded) = self.ask(&Request::Reload) else {
            panic!("not reloaded");
        };
        let changes = reloaded.changes.iter();
        let changes: Vec<_> = changes.map(|change| change.what.as_str()).collect();
        assert_eq!(changes, ["coverage 2001:db8:c::/48"]);
    }

    /// How far the correspondents are, as an operator sees it; what is configured of another DHP stands beside it.
    pub fn path_rtt(&self) -> Option<Duration> {
        let request = Request::Directory {
            after: None,
            after_dhp: None,
            limit: LARGEST_PAGE,
        };
        let Reply::Directory(directory) = self.ask(&request) else {
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
    pub fn path_rtt_when(&self, is_so: impl Fn(Option<Duration>) -> bool) -> Option<Duration> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let path_rtt = self.path_rtt();
            if is_so(path_rtt) {
                return path_rtt;
            }
            assert!(Instant::now() < deadline, "{path_rtt:?}");
            // It is asked for once a second: looking all the time would only keep the machine busy.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // `ip netns exec` has become dhpd itself. Its namespace goes with the test, and all that it has put there.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
