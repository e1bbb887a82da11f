use super::*;
use dhp_proto::mobile_node::policy::{Program, Treatment};
use dhp_proto::mobile_node::{KeyMaterial, Session};

fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(text, Path::new("")).map(|(config, _)| config)
}

const GOOD: &str = r#"
[mobile-node]
id = "mn1@example.net"
spi = 256
algorithm = "hmac-sha256-128"
home-key = "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
interfaces = ["wlan0", "wwan0"]
tun = "dhpmn0"
[home]
agent = "2001:db8:1::1"
address = "2001:db8:1:1::100"
[[locator]]
address = "2001:db8:1::1"
[[flow]]
prefix = "2001:db8:c:1::/64"
session = "session-lasting"
[[flow]]
prefix = "2001:db8:c:2::/64"
session = "fixed"
[[flow]]
prefix = "2001:db8:c:3::/64"
session = "non-persistent"
[api]
socket = "/run/dhp-mn/dhp-mn.sock"
[log]
level = "info"
"#;

/// The only problem of the text: the line, what stands at the place, what was expected.
fn problem(text: &str) -> (usize, String, Problem) {
    let problems = parse(text).expect_err("something is wrong");
    let [problem] = problems.as_slice() else {
        panic!("one problem, not {problems:#?}")
    };
    let line = text[..problem.span.start].matches('\n').count() + 1;
    (line, text[problem.span.clone()].to_owned(), problem.clone())
}

#[test]
fn a_whole_file_is_understood() {
    let config = parse(GOOD).expect("a good configuration");
    assert_eq!(config.interfaces, ["wlan0", "wwan0"]);
    assert_eq!(config.policy.rules.len(), 3);
    let last = &config.policy.rules[2];
    assert_eq!(last.treatment, Treatment::NonPersistent);
    assert!(last.prepare);
    assert_eq!(config.policy_lines, [14, 17, 20]);
    assert_eq!(config.engine.lifetime, 150);
    assert!(config.optimistic_dad);
    assert!(matches!(&config.engine.key, KeyMaterial::Home(key) if key.octets().len() == 32));
    assert!(config.engine.validate().is_ok());
}

/// The example is right as it stands, and so is each default that it shows.
#[test]
fn the_example_is_understood() {
    let example = include_str!("../../../../deploy/dhp-mn.example.toml");
    let config = parse(example).expect("a good example");
    assert_eq!(config.policy.rules.len(), 7);
    let mut lines: Vec<&str> = example.lines().collect();
    for line in &mut lines {
        if let Some(shown) = line.strip_prefix('#')
            && shown.starts_with(|first: char| first.is_ascii_lowercase())
            && !shown.starts_with("home-key-file")
            && !shown.starts_with("key")
        {
            *line = shown;
        }
    }
    let shown = parse(&lines.join("\n")).expect("good defaults");
    assert_eq!(shown.socket, config.socket);
    assert!(shown.metrics.is_some() && shown.metrics == config.metrics);
    assert!(shown.state.is_some() && shown.state == config.state);
    assert_eq!(shown.tun, config.tun);
    assert_eq!(shown.log_level, config.log_level);
    assert_eq!(shown.engine.lifetime, config.engine.lifetime);
    assert_eq!(shown.engine.code_points, config.engine.code_points);
    assert_eq!(shown.optimistic_dad, config.optimistic_dad);
    assert_eq!(shown.engine, config.engine);
}

#[test]
fn errors_name_line_value_and_expectation() {
    let (line, found, problem) =
        problem(&GOOD.replace("2001:db8:1::1\"\naddress", "2001:db8::zz\"\naddress"));
    assert_eq!((line, found.as_str()), (10, "\"2001:db8::zz\""));
    assert!(problem.message.contains("2001:db8::zz"));
    assert!(problem.expected.contains("IPv6 address"));
}

#[test]
fn unknown_keys_and_words_are_errors() {
    let (line, found, problem) = self::problem(&GOOD.replace("spi = 256", "spi = 256\nspy = 1"));
    assert_eq!((line, found.as_str()), (5, "spy"));
    assert_eq!(problem.help.as_deref(), Some("did you mean `spi`?"));
    let (line, _, problem) = self::problem(&GOOD.replace("\"fixed\"", "\"fixt\""));
    assert_eq!(line, 18 + 1);
    assert!(problem.expected.contains("\"fixed\""));
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = GOOD
        .replace("spi = 256", "spi = 12")
        .replace("\"info\"", "\"loud\"");
    let problems = parse(&text).expect_err("two problems");
    assert_eq!(problems.len(), 2, "{problems:#?}");
}

#[test]
fn keys_are_checked_and_never_shown() {
    let (_, _, problem) = self::problem(&GOOD.replace("home-key = \"4041", "home-key = \"4x41"));
    assert!(!problem.message.contains("4243"), "{}", problem.message);
    let (_, _, problem) = self::problem(&GOOD.replace("home-key =", "key = \"00\"\nhome-key ="));
    assert!(problem.expected.contains("one of home-key"));
    let short = GOOD.replace("home-key = \"40414243", "key = \"");
    let (_, _, problem) = self::problem(&short);
    assert!(problem.expected.contains("32 octets"), "{problem:?}");
}

#[test]
fn a_policy_that_can_never_match_is_an_error() {
    let (_, found, problem) = self::problem(&GOOD.replace("c:2::/64", "c:1:8000::/80"));
    assert_eq!(found, "\"2001:db8:c:1:8000::/80\"");
    assert!(problem.message.contains("never matches"));
    assert!(
        parse(&GOOD.replace("c:3::/64", "c::/48")).is_ok(),
        "a wider one may follow"
    );
}

#[test]
fn fixed_sessions_need_a_home_agent() {
    let home = "[home]\nagent = \"2001:db8:1::1\"\naddress = \"2001:db8:1:1::100\"\n";
    let (_, found, _) = self::problem(&GOOD.replace(home, ""));
    assert_eq!(found, "\"fixed\"");
}

#[test]
fn a_home_agent_that_is_left_out_is_discovered() {
    let agent = |text: &str| {
        let home = parse(text).expect("a good configuration").engine.home;
        home.expect("a home address").agent
    };
    assert_eq!(agent(GOOD), Some("2001:db8:1::1".parse().unwrap()));
    assert_eq!(agent(&GOOD.replace("agent = \"2001:db8:1::1\"", "")), None);
    let multicast = GOOD.replace("agent = \"2001:db8:1::1\"", "agent = \"ff02::1\"");
    assert!(parse(&multicast).is_err());
}

#[test]
fn lifetimes_have_units_and_limits() {
    let with = |lifetime: &str| {
        parse(&GOOD.replace(
            "spi = 256",
            &format!("spi = 256\nlifetime = \"{lifetime}\""),
        ))
        .map(|config| config.engine.lifetime)
    };
    assert_eq!(with("600s").ok(), Some(150));
    assert_eq!(with("10m").ok(), Some(150));
    assert_eq!(with("1h").ok(), Some(900));
    for wrong in ["3s", "600", "73h", "-1s", "s", ""] {
        assert!(with(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_report_shows_the_line_of_the_file() {
    let source = Source::new(Path::new("dhp-mn.toml"), GOOD);
    let error = ConfigError::new(source, vec![Problem::new(38..43, "wrong", "right")]);
    let report = error.to_string();
    assert!(report.contains("dhp-mn.toml:4"), "{report}");
    assert!(report.contains("right"));
    let missing = Config::load(Path::new("/nonexistent/dhp-mn.toml")).expect_err("no file");
    assert!(missing.to_string().contains("/nonexistent/dhp-mn.toml"));
}

/// The last `[[flow]]` of the good file with these lines instead.
fn with_flow(lines: &str) -> String {
    let old = "prefix = \"2001:db8:c:3::/64\"\nsession = \"non-persistent\"\n";
    assert!(GOOD.contains(old));
    GOOD.replace(old, lines)
}

#[test]
fn a_flow_is_told_by_ports_protocol_name_and_what_it_needs() {
    let config = parse(&with_flow(
        "protocol = \"tcp\"\nports = [\"443\", \"8000-8999\"]\nduration = \"long\"\nmax-latency-ms = 30\n",
    ))
    .expect("a good flow");
    let rule = &config.policy.rules[2];
    assert_eq!(rule.selector.prefix.prefix_len(), 0, "wherever it goes");
    assert_eq!(rule.selector.protocol, Some(6));
    assert_eq!(rule.selector.ports, [443..=443, 8000..=8999]);
    assert!(!rule.prepare, "one correspondent at a time");
    let Treatment::Anchored(need) = rule.treatment else {
        panic!("an anchored flow, not {rule:?}")
    };
    assert_eq!(need.session, Session::SessionLasting);
    assert_eq!(need.requirements.max_latency_ms, 30);

    let config = parse(&with_flow("name = \"example.net\"\nduration = \"short\"\n"));
    let rule = config.expect("a good flow").policy.rules[2].clone();
    assert_eq!(rule.treatment, Treatment::NonPersistent);
    assert!(
        rule.selector
            .name
            .is_some_and(|name| name.takes("www.example.net"))
    );
}

#[test]
fn wide_prefixes_are_looked_after_on_demand_unless_the_file_says_otherwise() {
    let prepared = |lines: &str| {
        let config = parse(&with_flow(lines)).expect("a good flow");
        config.policy.rules[2].prepare
    };
    assert!(!prepared(
        "prefix = \"2001:db8::/32\"\nsession = \"session-lasting\"\n"
    ));
    assert!(prepared(
        "prefix = \"2001:db8:c::/48\"\nsession = \"session-lasting\"\n"
    ));
    assert!(!prepared(
        "prefix = \"2001:db8:d::/64\"\nprepare = false\nsession = \"session-lasting\"\n"
    ));
}

#[test]
fn contradictions_in_a_flow_are_errors() {
    for (lines, place) in [
        (
            "prefix = \"::/0\"\nduration = \"short\"\nsession = \"fixed\"\n",
            "\"short\"",
        ),
        ("ports = [\"0\"]\nsession = \"fixed\"\n", "\"0\""),
        ("ports = [\"9-8\"]\nsession = \"fixed\"\n", "\"9-8\""),
        ("name = \"a..b\"\nsession = \"fixed\"\n", "\"a..b\""),
        ("dscp = 64\nsession = \"fixed\"\n", "64"),
    ] {
        assert_eq!(problem(&with_flow(lines)).1, place, "{lines}");
    }
    let (_, _, problem) = problem(&with_flow("session = \"fixed\"\n"));
    assert!(problem.message.contains("no `prefix`"), "{problem:?}");
}

#[test]
fn the_stub_resolver_listens_to_this_host_alone() {
    let with = |listen: &str| {
        format!("{GOOD}\n[dns]\nlisten = \"{listen}\"\nupstream = [\"[2001:db8::53]:53\"]\n")
    };
    let config = parse(&with("[::1]:5353")).expect("a good resolver");
    assert_eq!(config.dns.map(|dns| dns.upstream.len()), Some(1));
    assert!(parse(&with("127.0.0.53:53")).is_ok());
    let (_, found, problem) = problem(&with("[2001:db8::1]:53"));
    assert_eq!(found, "\"[2001:db8::1]:53\"");
    assert!(problem.message.contains("no loopback address"));
}

#[test]
fn a_key_that_everybody_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("dhp-mn.toml");
    std::fs::write(&path, GOOD).expect("written");
    let warning = |mode| {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("mode set");
        let loaded = Config::load(&path).expect("a good configuration");
        loaded.warning.as_ref().map(described)
    };
    let said = warning(0o644).expect("a warning");
    assert!(
        said.contains("dhp-mn.toml, line 6: a key stands in this file, which every user may read: it has mode 0644; remedy: "),
        "{said}"
    );
    assert_eq!(warning(0o600), None);
}

#[test]
fn a_reload_may_change_the_key_alone() {
    let before = parse(GOOD).expect("a good configuration");
    let other_key = parse(
        &GOOD
            .replace("spi = 256", "spi = 512")
            .replace("\"4041", "\"5051"),
    );
    let other_key = other_key.expect("a good configuration");
    assert!(before.fixed_differences(&other_key).is_empty());
    assert!(before.has_other_key(&other_key) && !before.has_other_key(&before));
    for (from, to, named) in [
        ("mn1@", "mn2@", "[mobile-node] id"),
        (", \"wwan0\"", "", "[mobile-node] interfaces"),
        ("dhpmn0", "dhpmn1", "[mobile-node] tun"),
        ("1:1::100", "1:1::101", "[home]"),
        ("non-persistent", "fixed", "[[flow]]"),
        (
            "[api]",
            "[signalling]\nmh-type = 220\n[api]",
            "[signalling]",
        ),
        ("[api]", "[dhp]\nidle = \"1m\"\n[api]", "[dhp] idle"),
        ("dhp-mn.sock", "other.sock", "[api] socket"),
        ("[api]", "[state]\n[api]", "[state]"),
        ("[api]", "[metrics]\n[api]", "[metrics]"),
        ("info", "warn", "[log] level"),
    ] {
        let after = parse(&GOOD.replace(from, to)).expect("a good configuration");
        assert_eq!(before.fixed_differences(&after), [named]);
    }
}

/// All anchors need the same.
#[test]
fn code_points_are_as_configured() {
    let text = GOOD.replace(
        "[api]",
        "[signalling]\nmh-type = 220\noption-type = 230\n[api]",
    );
    let config = parse(&text).expect("a good configuration");
    let code_points = config.engine.code_points;
    assert_eq!((code_points.mh_type, code_points.option), (220, 230));
    assert!(!code_points.is_experimental());
    let (_, found, problem) = self::problem(&text.replace("220", "5"));
    assert_eq!(found, "5");
    assert!(problem.expected.contains("MH type above 7"), "{problem:?}");
}

#[test]
fn route_optimization_is_off_unless_asked_for_and_a_rule_decides_for_itself() {
    let optimized = |node: &str, flow: &str| {
        let text =
            GOOD.replace("tun = \"dhpmn0\"\n", node)
                .replacen("session = \"fixed\"\n", flow, 1);
        let config = parse(&text).expect("a good configuration");
        let rules = config.policy.rules.iter().map(|rule| rule.optimize);
        (config.optimize, rules.collect::<Vec<_>>())
    };
    let (on, off) = (
        "route-optimization = \"on\"\n",
        "route-optimization = \"off\"\n",
    );
    let fixed = "session = \"fixed\"\n";
    assert_eq!(optimized("", fixed), (false, vec![false; 3]));
    assert_eq!(optimized(on, fixed), (true, vec![true; 3]));
    let with = |word: &str| format!("{fixed}{word}");
    assert_eq!(optimized("", &with(on)), (false, vec![false, true, false]));
    assert_eq!(optimized(on, &with(off)), (true, vec![true, false, true]));
    let wrong = GOOD.replace("tun = \"dhpmn0\"", "route-optimization = \"maybe\"");
    assert_eq!(problem(&wrong).1, "\"maybe\"");
}

#[test]
fn flows_name_their_accesses_and_interfaces_say_what_they_are_like() {
    let link = "[[interface]]\nname = \"wwan0\"\nrate-kbps = 20000\nmetered = true\n[api]";
    let flow = "prefix = \"2001:db8:c:3::/64\"\nsession = \"graceful-replacement\"\n\
                access = [\"wwan0\", \"wlan0\"]\nmetered = false\n";
    let text = with_flow(flow).replace("[api]", link);
    let config = parse(&text).expect("a good configuration");
    let [first, _, last] = &*config.flow_accesses else {
        panic!("one for each flow: {:?}", config.flow_accesses)
    };
    assert_eq!(*first, FlowAccess::ANY);
    assert_eq!(last.interfaces, ["wwan0", "wlan0"]);
    assert!(!last.may_be_metered);
    assert_eq!(last.unmet, Unmet::Release, "it may be withdrawn");
    let [wwan] = &*config.links else {
        panic!("one interface: {:?}", config.links)
    };
    assert_eq!((wwan.rate_kbps, wwan.metered), (Some(20_000), true));

    let (line, found, problem) = self::problem(&text.replace("[\"wwan0\", ", "[\"wwan1\", "));
    assert_eq!((line, found.as_str()), (23, "\"wwan1\""));
    assert!(problem.expected.contains("wlan0, wwan0"), "{problem:?}");
    let (_, found, _) = self::problem(&text.replace("name = \"wwan0\"", "name = \"eth0\""));
    assert_eq!(found, "\"eth0\"");
    let short = with_flow("ports = [\"53\"]\nduration = \"short\"\naccess = [\"wlan0\"]\n");
    let (_, _, problem) = self::problem(&short);
    assert!(
        problem.message.contains("belongs to one access"),
        "{problem:?}"
    );
    let other = parse(&text.replace("20000", "30000")).expect("a good configuration");
    assert_eq!(config.fixed_differences(&other), ["[[interface]]"]);
}

#[test]
fn programs_are_named_by_command_or_control_group() {
    let with = |line: &str| GOOD.replace("prefix = \"2001:db8:c:1::/64\"", line);
    let config = parse(&with("command = \"ssh\"")).expect("a good configuration");
    let rule = &config.policy.rules[0];
    assert_eq!(rule.selector.program, Some(Program::Command("ssh".into())));
    assert!(!rule.prepare, "not the whole world");
    let config = parse(&with("cgroup = \"/user.slice/\"")).expect("a good configuration");
    let group = Program::ControlGroup("user.slice".into());
    assert_eq!(config.policy.rules[0].selector.program, Some(group));
    let (line, found, problem) = problem(&with("command = \"a-name-of-17-octets\""));
    assert_eq!((line, found.as_str()), (15, "\"a-name-of-17-octets\""));
    assert!(problem.message.contains("15 octets"), "{problem:?}");
    let (_, found, _) = self::problem(&with("cgroup = \"../x\""));
    assert_eq!(found, "\"../x\"");
    let (_, _, problem) = self::problem(&with("command = \"a\"\ncgroup = \"b\""));
    assert!(problem.expected.contains("one of them"));
}

#[test]
fn dhps_of_the_subscription_stand_once_and_cover_something() {
    let with = |sections: &str| format!("{GOOD}{sections}");
    let one = "[[provisioned-dhp]]\naddress = \"2001:db8:d::1\"\n";
    let config = parse(&with(&format!("{one}covers = [\"2001:db8:c::/48\"]\n"))).expect("good");
    assert_eq!(config.provisioned[0].covers.len(), 1);
    assert!(
        parse(&with(one)).expect("good").provisioned[0]
            .covers
            .is_empty()
    );
    let (_, found, problem) = problem(&with(&format!("{one}{one}")));
    assert_eq!(found, "\"2001:db8:d::1\"");
    assert!(problem.message.contains("stands twice"));
    let (_, _, problem) = self::problem(&with(&format!("{one}covers = []\n")));
    assert!(problem.message.contains("names nothing"));
    let (_, found, problem) =
        self::problem(&with(&format!("{one}covers = [\"2001:db8:c::1/48\"]\n")));
    assert_eq!(found, "\"2001:db8:c::1/48\"");
    assert!(problem.message.contains("2001:db8:c::/48"), "{problem:?}");
}

#[test]
fn sockets_have_their_preferences_and_nothing_is_asked_in_advance_unless_the_file_says_so() {
    let config = parse(GOOD).expect("a good configuration");
    assert!(config.socket_preferences && !config.prefetch);
    let text = GOOD.replace("tun =", "socket-preferences = \"off\"\ntun =");
    let config = parse(&format!("{text}[dhp]\nprefetch = \"on\"\n")).expect("good");
    assert!(!config.socket_preferences && config.prefetch);
    assert_eq!(
        parse(GOOD).expect("good").fixed_differences(&config),
        ["[mobile-node] socket-preferences", "[dhp] prefetch"]
    );
}
