//! The control socket, asked over a socket

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dhp_engine::WorkerConfig;
use dhpctl::{Answer, Reply, Request};
use dhpd::clock::system_clock;
use dhpd::config::LoadedConfig;
use dhpd::control_plane::ControlPlane;
use dhpd::forwarding::TunnelLimits;
use dhpd::health::HealthMonitor;
use dhpd::inspector::Inspector;
use dhpd::metrics::Metrics;
use dhpd::operator::Operator;
use dhpd::ports::PortMonitor;
use dhpd::socket::{ControlSocket, SocketError};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::rig::*;

const CONFIG: &str = "[anchor]\naddress = \"2001:db8:d::1\"\n[[port]]\ninterface = \"core0\"\n[[port]]\ninterface = \"cn0\"\n";

/// A daemon without interfaces: control plane and socket, with a worker that the test polls.
struct Daemon {
    directory: tempfile::TempDir,
    stream: BufReader<UnixStream>,
    _control: ControlPlane,
}

impl Daemon {
    /// With a binding of [`HOME`].
    async fn start() -> Self {
        let metrics = Metrics::new(1).expect("metrics");
        let plan = planned(&kernel());
        let seconds = metrics.signalling_seconds();
        let control = ControlPlane::start(
            &geometry(),
            anchor_config(),
            system_clock(),
            &plan,
            seconds,
            TunnelLimits {
                path_mtu: 1500,
                ..TunnelLimits::default()
            },
        )
        .expect("a control plane");
        let (ports, [core, _, _]) = crate::memory_ports::ports(1024, 256);
        let mut worker = control
            .join(WorkerConfig::default(), ports, Some(2))
            .expect("a worker");
        core.push(&frame(&binding_update(1, CARE_OF)))
            .expect("room");
        let deadline = Instant::now() + Duration::from_secs(10);
        while core.pop().is_none() {
            assert!(Instant::now() < deadline, "no acknowledgement");
            worker.poll(dhp_engine::monotonic_ns());
            std::thread::yield_now();
        }
        let config = LoadedConfig::from_text(Path::new("dhpd.toml"), CONFIG)
            .expect("right")
            .config;
        let monitor = HealthMonitor::new(&config);
        let handle = control.handle().clone();
        let directory = tempfile::tempdir().expect("a directory");
        let operator = Operator::new(directory.path().join("dhpd.toml"), config, handle, None);
        let ports = PortMonitor::new(Vec::new()).expect("a netlink socket");
        let inspector = Arc::new(Inspector::new(
            operator,
            vec![None],
            metrics,
            monitor,
            ports,
        ));
        let path = directory.path().join("run/dhpd.sock");
        let socket = ControlSocket::bind(&path).expect("a socket");
        tokio::spawn(socket.serve(inspector));
        let stream = UnixStream::connect(&path).await.expect("connected");
        Self {
            directory,
            stream: BufReader::new(stream),
            _control: control,
        }
    }

    async fn line(&mut self, line: &str) -> Answer {
        let stream = self.stream.get_mut();
        stream
            .write_all(format!("{line}\n").as_bytes())
            .await
            .expect("written");
        let mut answer = String::new();
        self.stream.read_line(&mut answer).await.expect("an answer");
        serde_json::from_str(&answer).expect("an answer of the vocabulary")
    }

    async fn ask(&mut self, request: &Request) -> Reply {
        let line = serde_json::to_string(request).expect("JSON");
        match self.line(&line).await {
            Answer::Ok(reply) => reply,
            Answer::Error(sentence) => panic!("{request:?}: {sentence}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_has_its_answer() {
    let mut daemon = Daemon::start().await;
    let Reply::Status(status) = daemon.ask(&Request::Status).await else {
        panic!("no status")
    };
    assert_eq!(status.anchor, ANCHOR);
    assert_eq!(status.bindings.get("home"), Some(&1));
    assert_eq!(status.workers.len(), 1);
    assert!(
        status
            .health
            .reasons
            .iter()
            .any(|reason| reason.contains("RFC 5096")),
        "{:?}",
        status.health
    );

    let Reply::Bindings(page) = daemon
        .ask(&Request::Bindings {
            after: None,
            after_correspondent: None,
            limit: 1,
        })
        .await
    else {
        panic!("no bindings")
    };
    let binding = page.bindings.first().expect("a binding");
    assert_eq!(
        (binding.home_address, binding.care_of.address),
        (HOME, CARE_OF)
    );
    assert_eq!(
        (binding.kind.as_str(), binding.mobile_node.as_deref()),
        ("home", Some("mn1@example.net"))
    );
    assert_eq!(binding.care_of.port.as_deref(), Some("core0"));
    assert!(
        binding
            .remaining_seconds
            .is_some_and(|seconds| (590..=600).contains(&seconds))
    );
    assert!(!page.more);
    let Reply::Bindings(rest) = daemon
        .ask(&Request::Bindings {
            after: Some(HOME),
            after_correspondent: None,
            limit: 1,
        })
        .await
    else {
        panic!("no bindings")
    };
    assert!(rest.bindings.is_empty());

    let Reply::Pools(pools) = daemon.ask(&Request::Pools).await else {
        panic!("no pools")
    };
    assert_eq!(
        pools.first().and_then(|pool| pool.addresses.get("bound")),
        Some(&1)
    );
    let Reply::Counters(counters) = daemon.ask(&Request::Counters).await else {
        panic!("no counters")
    };
    let worker = counters.workers.first().expect("a worker");
    assert_eq!(worker.counters.get("punted_mobility"), Some(&1));

    let Reply::Routes(first) = daemon
        .ask(&Request::Routes {
            after: None,
            limit: 2,
        })
        .await
    else {
        panic!("no routes")
    };
    assert!(first.routes.len() == 2 && first.more);
    let Reply::Routes(rest) = daemon
        .ask(&Request::Routes {
            after: first.routes.last().map(|route| route.prefix),
            limit: 512,
        })
        .await
    else {
        panic!("no routes")
    };
    assert!(!rest.more && rest.routes.iter().any(|route| route.action == "anchor"));
    let Reply::Neighbours(neighbours) = daemon.ask(&Request::Neighbours).await else {
        panic!("no neighbours")
    };
    assert!(
        neighbours
            .iter()
            .any(|row| row.mac.as_deref() == Some("02:00:00:00:00:0c") && row.port == "cn0")
    );
    let Reply::Config(document) = daemon.ask(&Request::Config).await else {
        panic!("no configuration")
    };
    assert_eq!(
        document
            .pointer("/anchor/address")
            .and_then(|value| value.as_str()),
        Some("2001:db8:d::1")
    );
}

/// A mobile node that is asked to leave keeps its binding until it has answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mobile_node_is_asked_to_leave() {
    let mut daemon = Daemon::start().await;
    let home_agent = Some("2001:db8:e::1".parse().expect("an address"));
    let home_address = HOME;
    let switch = Request::Switch {
        home_address,
        home_agent,
    };
    assert!(matches!(daemon.ask(&switch).await, Reply::Done(_)));
    let revoke = Request::Revoke { home_address };
    assert!(matches!(daemon.ask(&revoke).await, Reply::Done(_)));
    let nobody = daemon
        .line(r#"{"command":"revoke","home_address":"2001:db8:1:1::101"}"#)
        .await;
    assert_eq!(
        nobody,
        Answer::Error("2001:db8:1:1::101 is not bound".to_owned())
    );
    let Reply::Status(status) = daemon.ask(&Request::Status).await else {
        panic!("no status")
    };
    assert_eq!(status.bindings.get("home"), Some(&1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_and_drain_take_effect() {
    let mut daemon = Daemon::start().await;
    assert!(matches!(
        daemon.ask(&Request::Release { home_address: HOME }).await,
        Reply::Done(_)
    ));
    let again = daemon
        .line(r#"{"command":"release","home_address":"2001:db8:1:1::100"}"#)
        .await;
    assert_eq!(
        again,
        Answer::Error("2001:db8:1:1::100 is not bound".to_owned())
    );
    daemon.ask(&Request::Drain { on: true }).await;
    let Reply::Status(status) = daemon.ask(&Request::Status).await else {
        panic!("no status")
    };
    assert!(status.draining);
    assert_eq!(status.bindings.get("home"), Some(&0));
}

/// Nothing of a wrong configuration is taken over, and the answer says where it is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_of_nothing_good_changes_nothing() {
    let mut daemon = Daemon::start().await;
    let file = daemon.directory.path().join("dhpd.toml");
    let mut refused = async |text: Option<&str>| {
        if let Some(text) = text {
            std::fs::write(&file, text).expect("written");
        }
        match daemon.line(r#"{"command":"reload"}"#).await {
            Answer::Error(sentence) => sentence,
            Answer::Ok(reply) => panic!("{reply:?}"),
        }
    };
    let missing = refused(None).await;
    assert!(missing.contains("cannot read"), "{missing}");
    let wrong = refused(Some(&CONFIG.replace("[[port]]", "[[prot]]"))).await;
    assert!(
        wrong.contains("dhpd.toml:") && wrong.contains("unknown key `prot`"),
        "{wrong}"
    );
    // No host of any test has that address.
    let elsewhere = refused(Some(CONFIG)).await;
    assert!(
        elsewhere.contains("is not an address of this host"),
        "{elsewhere}"
    );
    let Reply::Status(status) = daemon.ask(&Request::Status).await else {
        panic!("no status")
    };
    assert_eq!(status.bindings.get("home"), Some(&1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_answered_and_the_conversation_goes_on() {
    let mut daemon = Daemon::start().await;
    for line in [
        "",
        "x",
        "{}",
        r#"{"command":"reboot"}"#,
        r#"{"command":"release","home_address":"here"}"#,
        "\u{7f}\0",
    ] {
        assert!(
            matches!(daemon.line(line).await, Answer::Error(_)),
            "{line:?}"
        );
    }
    assert!(matches!(
        daemon.ask(&Request::Status).await,
        Reply::Status(_)
    ));
}

#[tokio::test]
async fn the_socket_is_private_replaced_when_stale_and_never_taken_from_another() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("dhpd.sock");
    let first = ControlSocket::bind(&path).expect("a socket");
    let mode = std::fs::metadata(&path)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    assert!(matches!(
        ControlSocket::bind(&path),
        Err(SocketError::InUse(_))
    ));
    drop(first);
    assert!(!path.exists(), "removed with its socket");
    drop(
        std::os::unix::net::UnixListener::bind(&path)
            .expect("a listener that dies without removing it"),
    );
    let second = ControlSocket::bind(&path).expect("the stale one is replaced");
    drop(second);
    std::fs::write(&path, "precious").expect("written");
    assert!(matches!(
        ControlSocket::bind(&path),
        Err(SocketError::NoSocket(_))
    ));
}
