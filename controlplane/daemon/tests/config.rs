//! What is said about configurations, right and wrong

use std::path::Path;
use std::time::Duration;

use dhp_proto::anchor::{PrefixAdvertisements, PrefixDelivery};
use dhpd::config::{Driver, HostFacts, Idle, KeySource, LoadedConfig, LogFormat, PoolKind};
use dhpd::priority::Priority;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The least that is needed, in 5 lines.
const LEAST: &str = "[anchor]\naddress = \"2001:db8:d::1\"\n[[port]]\ninterface = \"eth0\"\n\n";

fn load(text: &str) -> Result<LoadedConfig, dhpd::config::ConfigError> {
    LoadedConfig::from_text(Path::new("dhpd.toml"), text)
}

/// `line:column message | expected` of each problem, and the help.
fn problems(text: &str) -> Vec<String> {
    let error = load(text).expect_err("a wrong configuration");
    let report = |report: &dhpd::config::ProblemReport| {
        assert_eq!(report.file, Path::new("dhpd.toml"));
        let help = report
            .help
            .as_ref()
            .map(|help| format!(" | {help}"))
            .unwrap_or_default();
        format!(
            "{}:{} {} | {}{help}",
            report.line, report.column, report.message, report.expected
        )
    };
    error.reports().iter().map(report).collect()
}

/// Problems of what follows the least that is needed, from line 6.
fn problems_after(rest: &str) -> Vec<String> {
    problems(&format!("{LEAST}{rest}"))
}

#[test]
fn the_example_is_right_and_names_every_default() {
    let path = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/dhpd.example.toml"
    ));
    let loaded = LoadedConfig::from_file(path).expect("the example is right");
    assert_eq!(loaded.config.mobile_nodes.len(), 1);
    // The defaults that are commented out are known keys with the values that hold without them.
    let text = std::fs::read_to_string(path).expect("readable");
    let with_defaults: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|first: char| first.is_ascii_lowercase()) => {
                format!("{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert_ne!(with_defaults, text);
    let explicit = LoadedConfig::from_text(path, &with_defaults).expect("the defaults are right");
    let mut expected = loaded.config.summary();
    // The example shows a core; which ones are taken without it depends on the machine.
    if let Some(workers) = expected.get_mut("workers") {
        *workers = serde_json::json!({
            "count": 1, "cores": [1], "transit": true, "tcp-mss-clamp": false, "idle": "sleep",
        });
    }
    assert_eq!(explicit.config.summary(), expected);
}

#[test]
fn the_least_has_sensible_defaults() {
    let config = load(LEAST).expect("right").config;
    assert_eq!(config.host_interface, "dhp0");
    assert_eq!((config.workers.count, config.workers.transit), (1, true));
    assert_eq!(config.signalling.max_lifetime, Duration::from_secs(600));
    assert!(config.signalling.code_points.is_experimental());
    assert_eq!(config.api.socket, Path::new("/run/dhpd/dhpd.sock"));
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(
        config.anchor.roles.names(),
        ["dhp", "home-agent", "locator", "correspondent"],
        "RFC 6275 §8.2: route optimization should be enabled by default"
    );
}

#[test]
fn everything_arrives() {
    let text = format!(
        r#"
[anchor]
address = "2001:db8:d::1"
roles = ["home-agent"]
preference = 7
home-agent-preference = 300
[[port]]
interface = "core0"
driver = "af-packet"
[host]
interface = "tun7"
[workers]
cores = [2, 3]
transit = false
[[pool]]
prefix = "2001:db8:1:1::/64"
kind = "home"
quarantine = "10m"
[[mobile-node]]
id = "mn1@example.net"
spi = 0x100
algorithm = "hmac-sha1-96"
key = "{}"
home-address = "2001:db8:1:1::100"
max-dhoas = 0
[signalling]
mh-type = 240
option-type = 241
max-lifetime = "1h"
prefix-advertisements = "solicited"
max-prefix-interval = "1h"
min-prefix-interval = "1m"
care-of-test = "on"
priority = "real-time"
[limits]
home-addresses = 4_000_000
[rates]
binding = 800
signalling-per-source = 7
signalling-bound = 8
signalling-handoffs = 9
signalling-per-home-address = 10
[api]
socket = "/tmp/x.sock"
metrics = "off"
[log]
level = "info,dhpd=debug"
format = "json"
"#,
        &KEY[..32]
    );
    let config = load(&text).expect("right").config;
    assert_eq!(config.anchor.roles.names(), ["home-agent"]);
    assert_eq!(config.workers.count, 2, "as many as there are cores");
    assert_eq!(config.workers.cores.as_deref(), Some(&[2, 3][..]));
    let pool = config.pools.first().expect("a pool");
    assert_eq!(
        (pool.kind, pool.quarantine),
        (PoolKind::Home, Duration::from_secs(600))
    );
    let node = config.mobile_nodes.first().expect("a mobile node");
    assert_eq!(node.spi, 256);
    assert!(matches!(&node.key, KeySource::Exact(key) if key.octets().len() == 16));
    assert!(!config.signalling.code_points.is_experimental());
    let prefixes = PrefixAdvertisements {
        delivery: PrefixDelivery::Solicited,
        max_interval: Duration::from_secs(3600),
        min_interval: Duration::from_secs(60),
    };
    assert_eq!(config.signalling.prefix_advertisements, prefixes);
    assert_eq!(config.limits.home_addresses, 4_000_000);
    assert_eq!(config.rates.binding, Some(100_000), "octets per second");
    let punts = config.rates.punts;
    let given = [
        punts.per_source,
        punts.bound,
        punts.handoffs,
        punts.per_home_address,
    ];
    assert_eq!(given, [7, 8, 9, 10]);
    assert_eq!(config.signalling.priority, Priority::RealTime);
    assert_eq!(config.api.metrics, None);
    // What is shown of it has no key in it.
    assert!(!config.summary().to_string().contains(&KEY[..8]));
    let anchor = dhpd::anchor_config::anchor_config(&config).expect("right");
    anchor.check().expect("the protocol engine takes it");
    assert_eq!(anchor.home_agent_preference, 300);
    assert_eq!(anchor.prefix_advertisements, prefixes);
    assert!(anchor.care_of_test);
}

#[test]
fn unknown_keys_are_found_with_what_was_meant() {
    assert_eq!(
        problems_after("[worker]\ncount = 1\n[api]\nsockte = \"/x\"\n"),
        [
            "6:2 unknown key `worker` in the file | known here: anchor, api, correspondent, coverage, directory, dpdk, host, limits, log, \
             mobile-node, pool, port, rates, signalling, workers | did you mean `workers`?",
            "9:1 unknown key `sockte` in [api] | known here: metrics, socket | did you mean `socket`?",
        ]
    );
}

#[test]
fn what_is_missing_is_named_with_an_example() {
    assert_eq!(
        problems("[[pool]]\nprefix = \"2001:db8::/64\"\n"),
        [
            "1:1 [anchor] has no `address` | this section needs `address = \"2001:db8:d::1\"`",
            "1:1 the file has no [[port]] | at least one [[port]] with `interface = \"eth0\"`",
            "1:1 [[pool]] has no `kind` | this section needs `kind = \"dhoa\" or \"home\"`",
        ]
    );
}

#[test]
fn values_of_the_wrong_kind_or_range() {
    assert_eq!(
        problems_after(
            "[workers]\ncount = \"two\"\ntransit = 1\n[api]\nmetrics = 9105\n[signalling]\nmh-type = 300\nmax-lifetime = \"10\"\n\
             [pool]\n[coverage]\nprefix = \"2001:db8::/48\"\n"
        ),
        [
            "7:9 `count` is the text \"two\" | an integer from 1 to 64",
            "8:11 `transit` is the integer 1 | true or false, without quotes",
            "10:11 `metrics` is the integer 9105 | an address and port such as \"127.0.0.1:9105\" or \"[::1]:9105\", in quotes",
            "12:11 `mh-type = 300` is out of range | an integer from 0 to 255",
            "13:16 `max-lifetime = \"10\"`: the unit is missing | a time such as \"240s\", \"10m\" or \"1h\"",
            "14:1 `pool` is a table | one or more `[[pool]]`, with two brackets",
            "15:1 `coverage` is a table | one or more `[[coverage]]`, with two brackets",
        ]
    );
}

#[test]
fn mobile_prefix_advertisements() {
    assert_eq!(
        problems_after(
            "[signalling]\nprefix-advertisements = \"yes\"\nmax-prefix-interval = \"500ms\"\nmin-prefix-interval = \"1\"\n"
        ),
        [
            "7:25 `prefix-advertisements = \"yes\"`: not one of them | \"on\", \"solicited\" or \"off\"",
            "8:23 `max-prefix-interval = \"500ms\"`: 1s is the least | a time such as \"240s\", \"10m\" or \"1h\"",
            "9:23 `min-prefix-interval = \"1\"`: the unit is missing | a time such as \"240s\", \"10m\" or \"1h\"",
        ]
    );
    let config = |rest: &str| load(&format!("{LEAST}{rest}")).expect("right").config;
    let new = config("[signalling]\nprefix-advertisements = \"off\"\n");
    let changes = config("").live_changes(&new);
    assert_eq!(changes.len(), 1, "a reload takes it over");
}

#[test]
fn addresses_and_prefixes() {
    assert_eq!(
        problems_after(
            "[[coverage]]\nprefix = \"2001:db8:c::1/48\"\n[[coverage]]\nprefix = \"192.0.2.0/24\"\n\
             [[pool]]\nprefix = \"ff00::/8\"\nkind = \"dhoa\"\n[[directory]]\ndhp = \"dhp.example.net\"\nprefix = \"::/0\"\n"
        ),
        [
            "7:10 `prefix = \"2001:db8:c::1/48\"`: bits are set behind the prefix, which is 2001:db8:c::/48 | an IPv6 prefix \
             such as \"2001:db8:d:1::/64\"",
            "9:10 `prefix = \"192.0.2.0/24\"`: not an IPv6 prefix | an IPv6 prefix such as \"2001:db8:d:1::/64\"",
            "11:10 the pool ff00::/8 is not a prefix of routable unicast addresses | a prefix that is routed to this box",
            "14:7 `dhp = \"dhp.example.net\"`: invalid IPv6 address syntax | an IPv6 address such as \"2001:db8:d::1\"",
        ]
    );
}

#[test]
fn probes_are_of_the_prefix_and_not_too_frequent() {
    assert_eq!(
        problems_after(
            "[[coverage]]\nprefix = \"2001:db8:c::/48\"\nprobe = \"2001:db8:e::1\"\nprobe-interval = \"500ms\"\n\
             [[coverage]]\nprefix = \"2001:db8:c::/47\"\nprobe-interval = \"5s\"\n\
             [[directory]]\ndhp = \"2001:db8:e::1\"\nprefix = \"::/0\"\nload = 256\npath-rtt = \"2h\"\n"
        ),
        [
            "8:9 the probe 2001:db8:e::1 is outside of 2001:db8:c::/48 | a host of the prefix: how far others are tells nothing of it",
            "9:18 `probe-interval = \"500ms\"`: 1s is the least | a time such as \"240s\", \"10m\" or \"1h\"",
            "12:18 `probe-interval` without a `probe` | a host of the prefix that answers pings, `probe = \"2001:db8:c::1\"`",
            "16:8 `load = 256` is out of range | an integer from 0 to 255",
            "17:12 `path-rtt = \"2h\"`: longer than any path: at most 4294s | \"unknown\", or a time such as \"300us\" or \"15ms\"",
        ]
    );
    let config = |rest: &str| load(&format!("{LEAST}{rest}")).expect("right").config;
    let coverage = "[[coverage]]\nprefix = \"2001:db8:c::/48\"\n";
    assert_eq!(config(coverage).coverage[0].probe, None);
    let probe = "probe = \"2001:db8:c::1\"\n";
    let probed = config(&format!("{coverage}{probe}"));
    let interval = probed.coverage[0].probe.map(|probe| probe.interval);
    assert_eq!(interval, Some(std::time::Duration::from_secs(10)));
    let changes = config(coverage).live_changes(&probed);
    assert_eq!(changes.len(), 1, "a reload takes it over");
}

#[test]
fn pools_that_clash_are_all_reported() {
    assert_eq!(
        problems_after(
            "[[pool]]\nprefix = \"2001:db8:d::/48\"\nkind = \"dhoa\"\n[[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"home\"\n\
             [[coverage]]\nprefix = \"2001:db8:d:1::/64\"\n"
        ),
        [
            "2:11 the anchor address 2001:db8:d::1 lies inside a pool | an address outside all pools, or packets to it would \
             go to a mobile node",
            "7:10 the pool 2001:db8:d::/48 overlaps the coverage 2001:db8:d:1::/64 | addresses of mobile nodes, none that \
             correspondents have",
            "10:10 the pool 2001:db8:d:1::/64 overlaps the pool 2001:db8:d::/48 | addresses of its own",
            "10:10 the pool 2001:db8:d:1::/64 overlaps the coverage 2001:db8:d:1::/64 | addresses of mobile nodes, none that \
             correspondents have",
        ]
    );
}

#[test]
fn roles_and_their_pools() {
    let text = "[anchor]\naddress = \"2001:db8:d::1\"\nroles = [\"locator\", \"proxy\"]\n[[port]]\ninterface = \"eth0\"\n\
                [[pool]]\nprefix = \"2001:db8:1::/64\"\nkind = \"home\"\n";
    assert_eq!(
        problems(text),
        [
            "3:21 `roles = \"proxy\"`: not a role | \"dhp\", \"home-agent\", \"locator\" or \"correspondent\"",
            "7:10 a pool of kind \"home\" on a box that is no home-agent | no such pool, or \"home-agent\" among the roles of \
             [anchor]",
        ]
    );
}

#[test]
fn correspondents_behind_the_box() {
    let text = "[[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n\
                [[correspondent]]\nprefix = \"2001:db8:d::/48\"\n[[correspondent]]\nprefix = \"2001:db8:c:1::1/64\"\n\
                [workers]\ntransit = false\n";
    assert_eq!(
        problems_after(text),
        [
            "10:10 a [[correspondent]] on a box that forwards nothing | none, or `transit = true` in [workers]: it acts for \
             hosts whose packets it forwards",
            "10:10 the correspondents 2001:db8:d::/48 overlap the pool 2001:db8:d:1::/64 | addresses of hosts behind this box, \
             none of mobile nodes",
            "12:10 `prefix = \"2001:db8:c:1::1/64\"`: bits are set behind the prefix, which is 2001:db8:c:1::/64 | an IPv6 \
             prefix such as \"2001:db8:d:1::/64\"",
        ]
    );
    let text = "[anchor]\naddress = \"2001:db8:d::1\"\nroles = [\"locator\"]\n[[port]]\ninterface = \"eth0\"\n\
                [[correspondent]]\nprefix = \"2001:db8:c:1::/64\"\n";
    assert_eq!(
        problems(text),
        [
            "7:10 a [[correspondent]] on a box that is no correspondent | none, or \"correspondent\" among the roles of \
             [anchor]"
        ]
    );
    let many: String = (0..65)
        .map(|n| format!("[[correspondent]]\nprefix = \"2001:db8:c:{n:x}::/64\"\n"))
        .collect();
    let [problem] = &problems_after(&many)[..] else {
        panic!("one problem")
    };
    assert!(
        problem.contains("65 [[correspondent]] prefixes"),
        "{problem}"
    );
}

#[test]
fn mobile_nodes() {
    let text = format!(
        "[[pool]]\nprefix = \"2001:db8:1:1::/64\"\nkind = \"home\"\n\
         [[mobile-node]]\nid = \"a@b\"\nspi = 300\nhome-key = \"{KEY}\"\nhome-address = \"2001:db8:1:1::1\"\n\
         [[mobile-node]]\nid = \"c@d\"\nspi = 300\nhome-key = \"{KEY}\"\nhome-address = \"2001:db8:2::1\"\n\
         [[mobile-node]]\nid = \"e@f\"\nspi = 255\nalgorithm = \"md5\"\nhome-key = \"xy\"\n\
         [[mobile-node]]\nid = \"g@h\"\nspi = 301\nkey = \"{}\"\nhome-address = \"2001:db8:1:1::1\"\n\
         [[mobile-node]]\nid = \"i@j\"\nspi = 302\n\
         [[mobile-node]]\nid = \"k@l\"\nspi = 303\nkey = \"{KEY}\"\nhome-key = \"{KEY}\"\n",
        &KEY[..32]
    );
    assert_eq!(
        problems_after(&text),
        [
            "16:7 the SPI 300 is given twice | an SPI of its own for each security association",
            "18:16 the home address 2001:db8:2::1 lies in no pool of kind \"home\" | an address of a home pool | add a \
             [[pool]] with `kind = \"home\"` that contains it, or take the home address away: it is for home agents only",
            "21:7 `spi = 255` is out of range | an integer from 256 to 4294967295",
            "22:13 `algorithm = \"md5\"`: not one of them | \"hmac-sha256-128\" or \"hmac-sha1-96\"",
            "23:12 `home-key`: character 1 is not a hexadecimal digit | the key in hexadecimal digits, 16 to 64 octets",
            "27:7 the key has 16 octets | 32 octets, the key size of hmac-sha256-128",
            "29:1 [[mobile-node]] has no key | one of home-key, home-key-file, key, key-file",
            "32:1 [[mobile-node]] has several keys | only one of home-key, home-key-file, key, key-file",
        ]
    );
}

#[test]
fn interfaces_and_cores() {
    assert_eq!(
        problems_after(
            "[[port]]\ninterface = \"eth0\"\n[[port]]\ninterface = \"dhp0\"\n[[port]]\ninterface = \"a b\"\n\
             [workers]\ncount = 3\ncores = [1, 1]\n"
        ),
        [
            "7:13 the interface eth0 is given twice | another interface",
            "9:13 the port dhp0 has the name of the host interface | an interface other than the one that dhpd makes towards \
             the kernel | set `interface` in [host] to another name",
            "11:13 `interface = \"a b\"`: no interface can have that name | the name of a network interface, at most 15 \
             characters",
            "14:9 2 cores for 3 workers | one core for each worker",
            "14:9 core 1 is given twice | a core of its own for each worker, which never gives it up while there are packets",
        ]
    );
}

#[test]
fn code_points_of_others() {
    assert_eq!(
        problems_after("[signalling]\nmh-type = 5\n"),
        [
            "6:1 MH type 5 or option type 18 is an RFC's own | numbers that no other message or option has: 11 and 18 for \
             experiments (RFC 5096), or assigned ones",
        ]
    );
}

#[test]
fn what_is_no_toml() {
    let found = problems("[anchor\naddress = \"2001:db8:d::1\"\nport = [\n");
    assert!(found.len() >= 2, "all syntax errors at once: {found:?}");
    assert!(
        found.iter().all(|problem| problem.contains("not TOML")),
        "{found:?}"
    );
}

#[test]
fn a_problem_is_shown_in_its_line() {
    let text = load(&format!(
        "{LEAST}[[pool]]\nprefx = \"2001:db8::/64\"\nkind = \"dhoa\"\n"
    ))
    .expect_err("wrong")
    .to_string();
    let expected = "\
error: [[pool]] has no `prefix`
 --> dhpd.toml:6:1
  |
6 | [[pool]]
  | ^^^^^^^^ this section needs `prefix = \"2001:db8:d:1::/64\"`

error: unknown key `prefx` in [[pool]]
 --> dhpd.toml:7:1
  |
7 | prefx = \"2001:db8::/64\"
  | ^^^^^ known here: kind, link, preferred-lifetime, prefix, quarantine, valid-lifetime
  |
  = help: did you mean `prefix`?

dhpd.toml: 2 problems in the configuration";
    assert_eq!(text, expected);
}

#[test]
fn keys_are_never_shown() {
    let wrong = format!(
        "{LEAST}[[mobile-node]]\nid = \"a@b\"\nspi = 1\nhome-key = \"{KEY}\"\nkey = 'g{KEY}'\nkey-file = 3\n"
    );
    let error = load(&wrong).expect_err("wrong");
    let shown = format!("{error}{:?}", error.reports());
    assert!(shown.contains("several keys"), "{shown}");
    assert!(
        !shown.contains("0405060708") && !shown.contains("1a1b1c1d"),
        "{shown}"
    );
    let unterminated = format!("{LEAST}[[mobile-node]]\nhome-key = \"{KEY}\nid = \"a@b\"\n");
    let shown = load(&unterminated).expect_err("wrong").to_string();
    assert!(!shown.contains("0405060708"), "{shown}");
}

#[test]
fn a_key_file_is_found_beside_the_configuration() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let (config, key) = (
        directory.path().join("dhpd.toml"),
        directory.path().join("mn1.key"),
    );
    let text =
        format!("{LEAST}[[mobile-node]]\nid = \"a@b\"\nspi = 256\nhome-key-file = \"mn1.key\"\n");
    std::fs::write(&config, text).expect("written");
    std::fs::write(&key, format!("{KEY}\n")).expect("written");
    let set_mode = |mode| {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).expect("mode set")
    };
    set_mode(0o600);
    let loaded = LoadedConfig::from_file(&config).expect("right");
    let node = loaded.config.mobile_nodes.first().expect("a mobile node");
    assert!(matches!(&node.key, KeySource::Home(key) if key.octets().len() == 32));
    set_mode(0o644);
    let error = LoadedConfig::from_file(&config)
        .expect_err("others may read it")
        .to_string();
    assert!(
        error.contains("mode 0644") && error.contains("dhpd.toml:9:17"),
        "{error}"
    );
}

#[test]
fn what_this_host_does_not_have() {
    let text = format!("{LEAST}[workers]\ncores = [7]\n");
    let loaded = load(&text).expect("right in itself");
    let facts = HostFacts {
        interfaces: vec!["lo".to_owned(), "eth1".to_owned()],
        addresses: vec!["::1".parse().expect("an address")],
        on_link: vec![],
        cores: vec![0, 1],
        dpdk: false,
    };
    let error = loaded.check_host(&facts).expect_err("not this host");
    let found: Vec<String> = error
        .reports()
        .iter()
        .map(|report| {
            format!(
                "{}:{} {} | {} | {:?}",
                report.line, report.column, report.message, report.expected, report.help
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "2:11 the anchor address 2001:db8:d::1 is not an address of this host | an address that is on one of its \
             interfaces | Some(\"ip -6 address add 2001:db8:d::1/128 dev lo\")",
            "4:13 this host has no interface eth0 | one of lo, eth1 | Some(\"did you mean `eth1`?\")",
            "7:9 this process has no core 7 | cores of [0, 1] | None",
        ]
    );
    let facts = HostFacts {
        interfaces: vec!["eth0".to_owned()],
        addresses: vec!["2001:db8:d::1".parse().expect("an address")],
        on_link: vec![],
        cores: vec![7],
        dpdk: false,
    };
    loaded.check_host(&facts).expect("this host will do");
}

const ON_LINK: &str =
    "[[pool]]\nprefix = \"2001:db8:1:1::/64\"\nkind = \"home\"\nlink = \"eth0\"\n";

#[test]
fn a_home_prefix_on_a_real_link() {
    let loaded = load(&format!("{LEAST}{ON_LINK}")).expect("right in itself");
    let config = &loaded.config;
    assert_eq!(config.home_links(), ["eth0"]);
    // Of the prefix this box has the addresses that are bound, and no route.
    assert!(config.pool_prefixes().is_empty() && config.home_prefixes().is_empty());
    let virtual_link = load(&format!("{LEAST}{}", ON_LINK.replace("link", "#link")));
    let virtual_link = virtual_link.expect("right").config;
    assert_eq!(virtual_link.pool_prefixes().len(), 1);
    assert_eq!(config.fixed_differences(&virtual_link), ["[[pool]] link"]);

    let facts = |on_link: &[(&str, &str)]| HostFacts {
        interfaces: vec!["eth0".to_owned(), "eth1".to_owned()],
        addresses: vec!["2001:db8:d::1".parse().expect("an address")],
        on_link: on_link
            .iter()
            .map(|(link, prefix)| ((*link).to_owned(), prefix.parse().expect("a prefix")))
            .collect(),
        cores: vec![0],
        dpdk: false,
    };
    let has_it = facts(&[("eth0", "fe80::/64"), ("eth0", "2001:db8:1:1::/64")]);
    loaded.check_host(&has_it).expect("the link has the prefix");
    let elsewhere = facts(&[("eth0", "fe80::/64"), ("eth1", "2001:db8:1:1::/64")]);
    let error = loaded.check_host(&elsewhere).expect_err("not on that link");
    let reports = error.reports();
    let [report] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    assert_eq!((report.line, report.column), (9, 8));
    assert_eq!(
        report.message,
        "2001:db8:1:1::/64 is not on the link of eth0"
    );
    assert_eq!(
        report.help.as_deref(),
        Some("ip -6 address add 2001:db8:1:1::1/64 dev eth0")
    );
}

#[test]
fn a_home_address_that_this_host_has() {
    let node = format!("[[mobile-node]]\nid = \"mn1\"\nspi = 256\nhome-key = \"{KEY}\"\n");
    let text = format!("{LEAST}{ON_LINK}{node}home-address = \"2001:db8:1:1::1\"\n");
    let loaded = load(&text).expect("right in itself");
    let addresses = ["2001:db8:d::1", "2001:db8:1:1::1"];
    let facts = HostFacts {
        interfaces: vec!["eth0".to_owned()],
        addresses: addresses
            .map(|text| text.parse().expect("an address"))
            .to_vec(),
        on_link: vec![(
            "eth0".to_owned(),
            "2001:db8:1:1::/64".parse().expect("a prefix"),
        )],
        cores: vec![0],
        dpdk: false,
    };
    let error = loaded.check_host(&facts).expect_err("twice");
    let reports = error.reports();
    let [report] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    assert_eq!((report.line, report.column), (14, 16));
    assert_eq!(
        report.message,
        "the home address 2001:db8:1:1::1 is an address of this host"
    );
}

#[test]
fn home_links_that_cannot_be() {
    assert_eq!(
        problems_after(&ON_LINK.replace("\"eth0\"", "\"eht0\"")),
        ["9:8 the home link eht0 is no port | one of the ports: eth0 | did you mean `eth0`?"]
    );
    assert_eq!(
        problems_after(&ON_LINK.replace("\"eth0\"", "\"home0\"")),
        [
            "9:8 the home link home0 is no port | one of the ports: eth0 | add a [[port]] with `interface = \"home0\"`"
        ]
    );
    assert_eq!(
        problems_after(&ON_LINK.replace("\"home\"", "\"dhoa\"")),
        [
            "9:8 the pool 2001:db8:1:1::/64 of DHoAs has a home link | a pool of kind \"home\": DHoAs are on no link | take \
             `link` away, or set `kind = \"home\"`"
        ]
    );
    let by_dpdk = format!("{DPDK}tap = \"eth0\"\n{ON_LINK}");
    assert_eq!(
        problems(&by_dpdk),
        [
            "10:8 the home link eth0 is a port by DPDK | a port with `driver = \"af-packet\"`: the kernel and dhpd both hear \
             what is said on the link"
        ]
    );
}

const DPDK: &str = "[anchor]\naddress = \"2001:db8:d::1\"\n[[port]]\ndriver = \"dpdk\"\ndevice = \"0000:03:00.0\"\n";

#[test]
fn ports_of_dpdk() {
    let text = format!(
        "{DPDK}[[port]]\ndriver = \"dpdk\"\ndevice = \"net_af_packet0,iface=eth0\"\ntap = \"cn0\"\n[dpdk]\neal = [\"--no-huge\", \
         \"-m\", \"512\"]\nmbufs = 4095\n[workers]\nidle = \"poll\"\n"
    );
    let config = load(&text).expect("right").config;
    let ports: Vec<_> = config
        .ports
        .iter()
        .map(|port| (port.interface.as_str(), port.driver.device()))
        .collect();
    let device = "net_af_packet0,iface=eth0";
    assert_eq!(
        ports,
        [("dhp-0", Some("0000:03:00.0")), ("cn0", Some(device))]
    );
    assert!(config.kernel_interfaces().is_empty());
    assert_eq!(config.dpdk.eal, ["--no-huge", "-m", "512"]);
    assert_eq!(
        (config.dpdk.mbufs, config.workers.idle),
        (4_095, Idle::Poll)
    );
    assert_eq!(
        load(LEAST).expect("right").config.ports[0].driver,
        Driver::AfPacket
    );
}

#[test]
fn wrong_ports_of_dpdk() {
    assert_eq!(
        problems(&format!("{DPDK}interface = \"eth0\"\n")),
        ["6:1 unknown key `interface` in [[port]] | known here: device, driver, tap"]
    );
    assert_eq!(
        problems(&format!("{DPDK}[[port]]\ndriver = \"dpdk\"\n")),
        ["6:1 [[port]] has no `device` | this section needs `device = \"0000:03:00.0\"`"]
    );
    assert_eq!(
        problems(&format!(
            "{DPDK}[[port]]\ndriver = \"dpdk\"\ndevice = \"0000:03:00.0\"\n"
        )),
        ["8:10 the device 0000:03:00.0 is given twice | another device"]
    );
    assert_eq!(
        problems(&format!("{DPDK}[[port]]\ninterface = \"eth0\"\n")),
        [
            "7:13 a port by af-packet beside one by dpdk | one driver for all ports: packets stay in the memory of one | DPDK \
             takes Linux interfaces too: device = \"net_af_packet0,iface=eth0\""
        ]
    );
}

#[test]
fn a_build_without_dpdk_says_where_it_is_asked_for_and_what_to_do() {
    let loaded = load(DPDK).expect("right in itself");
    let facts = |dpdk| HostFacts {
        interfaces: Vec::new(),
        addresses: vec!["2001:db8:d::1".parse().expect("an address")],
        on_link: vec![],
        cores: vec![0],
        dpdk,
    };
    let text = loaded
        .check_host(&facts(false))
        .expect_err("built without")
        .to_string();
    for part in [
        "dhpd.toml:5:10",
        "built without",
        "cargo build --release --features dpdk",
    ] {
        assert!(text.contains(part), "{text}");
    }
    loaded.check_host(&facts(true)).expect("built with DPDK");
}

#[test]
fn a_missing_file_is_an_error_with_its_name() {
    let error = LoadedConfig::from_file(Path::new("/nonexistent/dhpd.toml")).expect_err("none");
    assert!(
        error.to_string().contains("/nonexistent/dhpd.toml"),
        "{error}"
    );
}

/// What each of two configurations changes of the other, and whether it can while the daemon runs.
#[test]
fn changes_are_named() {
    let config = |rest: &str| load(&format!("{LEAST}{rest}")).expect("right").config;
    let node =
        |key: &str| format!("[[mobile-node]]\nid = \"mn1\"\nspi = 256\nhome-key = \"{key}\"\n");
    let old = config(&format!(
        "[[pool]]\nprefix = \"2001:db8:d:1::/64\"\nkind = \"dhoa\"\n{}",
        node(KEY)
    ));
    assert_eq!(old.live_changes(&old), []);
    assert_eq!(old.fixed_differences(&old), [""; 0]);
    let new = config(&format!(
        "[[pool]]\nprefix = \"2001:db8:d:2::/64\"\nkind = \"dhoa\"\n{}\
         [[coverage]]\nprefix = \"2001:db8:c::/48\"\n[log]\nlevel = \"debug\"\n",
        node(&KEY.replace("1e1f", "1e1e"))
    ));
    let changes = old.live_changes(&new);
    let told: Vec<String> = changes
        .iter()
        .map(|change| format!("{} {}", change.what, change.how))
        .collect();
    assert_eq!(
        told,
        [
            "[log] level changed",
            "pool 2001:db8:d:2::/64 added",
            "pool 2001:db8:d:1::/64 removed",
            "coverage 2001:db8:c::/48 added",
            "mobile node mn1 with SPI 256 changed",
        ]
    );
    assert_eq!(old.fixed_differences(&new), [""; 0]);
    let restart = config(
        "[limits]\nroutes = 20000\n[workers]\ntransit = false\n[log]\nformat = \"json\"\n\
                [signalling]\ncare-of-test = \"on\"\npriority = \"real-time\"\n",
    );
    assert_eq!(
        old.fixed_differences(&restart),
        [
            "[workers]",
            "[limits]",
            "[signalling] care-of-test",
            "[signalling] priority",
            "[log] format"
        ]
    );
}

/// RFC 6275 §10.3.1: "If the home agent stores the Binding Cache entry in nonvolatile storage, then the Binding Refresh Advice
/// mobility option MUST be omitted."
#[test]
fn a_journal_excludes_refresh_advice() {
    let of = |rest: &str| problems_after(&format!("[signalling]\n{rest}"));
    let both = of("journal = \"/var/lib/dhpd/journal\"\nrefresh-advice = \"30s\"\n");
    assert_eq!(both.len(), 1, "{both:?}");
    assert!(both[0].contains("exclude each other"), "{both:?}");
    for rest in [
        "journal = \"off\"\nrefresh-advice = \"30s\"\n",
        "journal = \"/var/lib/dhpd/journal\"\nrefresh-advice = \"off\"\n",
    ] {
        load(&format!("{LEAST}[signalling]\n{rest}")).expect("right");
    }
}

#[test]
fn a_narrow_pool_without_a_journal_is_warned_of() {
    let warned = |prefix: &str, kind: &str, signalling: &str| {
        let pool = format!("[[pool]]\nprefix = \"{prefix}\"\nkind = \"{kind}\"\n");
        let loaded = load(&format!("{LEAST}{pool}[signalling]\n{signalling}")).expect("right");
        let mut warnings = loaded.config.remarks();
        warnings.retain(|warning| warning.contains("narrow"));
        warnings
    };
    let narrow = "2001:db8:d:1::/97";
    let [warning] = &warned(narrow, "dhoa", "")[..] else {
        panic!("one warning");
    };
    assert!(
        warning.contains(narrow) && warning.contains("Remedy: [signalling] journal"),
        "{warning}"
    );
    let journal = "journal = \"/var/lib/dhpd/journal\"\n";
    assert!(warned(narrow, "dhoa", journal).is_empty());
    assert!(warned("2001:db8:d:1::/96", "dhoa", "").is_empty());
    assert!(warned(narrow, "home", "").is_empty());
}
