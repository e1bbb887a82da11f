//! What is said about the keys of a configuration, and several of one mobile node

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use dhpd::anchor_config::anchor_config;
use dhpd::config::{LoadError, LoadedConfig};

const ANCHOR: &str = "[anchor]\naddress = \"2001:db8:d::1\"\n[[port]]\ninterface = \"eth0\"\n\
                      [[pool]]\nprefix = \"2001:db8:1:1::/64\"\nkind = \"home\"\n";

/// A section of a mobile node, with a key of its own.
fn section(id: &str, spi: u32, more: &str) -> String {
    let key = format!("{:02x}", spi % 251).repeat(32);
    format!("[[mobile-node]]\nid = \"{id}\"\nspi = {spi}\nhome-key = \"{key}\"\n{more}")
}

/// A configuration in a directory of its own.
struct File {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl File {
    fn new(text: &str, mode: u32) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("dhpd.toml");
        std::fs::write(&path, text).expect("written");
        set_mode(&path, mode);
        Self {
            path,
            _directory: directory,
        }
    }

    fn check(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_dhpd"))
            .args(["check", "--config"])
            .arg(&self.path)
            .args(arguments)
            .output()
            .expect("dhpd runs");
        assert!(output.status.success(), "a warning stands in nobody's way");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mode set");
}

fn problems(text: &str) -> Vec<String> {
    let error = LoadedConfig::from_text(Path::new("dhpd.toml"), text).expect_err("wrong");
    let reports = error.reports();
    let reports = reports.iter();
    reports
        .map(|report| format!("{}:{} {}", report.line, report.column, report.message))
        .collect()
}

/// While its key is changed.
#[test]
fn a_mobile_node_may_have_a_section_for_each_key() {
    let home = "home-address = \"2001:db8:1:1::7\"\n";
    let (old, new) = (section("a@b", 256, home), section("a@b", 512, home));
    let text = format!("{ANCHOR}{old}{new}");
    let loaded = LoadedConfig::from_text(Path::new("dhpd.toml"), &text).expect("right");
    let wanted = anchor_config(&loaded.config).expect("keys that fit");
    let [first, second] = &wanted.security_associations[..] else {
        panic!("two associations")
    };
    assert_eq!((first.spi(), second.spi()), (256, 512));
    assert_eq!(first.mn_id(), second.mn_id());
    assert_eq!(first.permissions(), second.permissions());

    let only = |old: &str, new: &str| {
        let loaded = |sections: &str| {
            let text = format!("{ANCHOR}{sections}");
            LoadedConfig::from_text(Path::new("dhpd.toml"), &text)
                .expect("right")
                .config
        };
        let changes = loaded(old).live_changes(&loaded(new));
        let changes = changes.into_iter();
        changes
            .map(|change| format!("{}: {}", change.what, change.how))
            .collect::<Vec<_>>()
    };
    let both = format!("{old}{new}");
    assert_eq!(only(&old, &both), ["mobile node a@b with SPI 512: added"]);
    assert_eq!(only(&both, &new), ["mobile node a@b with SPI 256: removed"]);
}

/// What it may do must not depend on the key that it uses, nor end with the key that goes.
#[test]
fn the_sections_of_a_mobile_node_differ_in_the_key_alone() {
    let home = "home-address = \"2001:db8:1:1::7\"\n";
    let text = format!(
        "{ANCHOR}{}{}{}",
        section("a@b", 256, home),
        section("a@b", 512, "max-dhoas = 2\nroute-optimization = true\n"),
        section("c@d", 513, home),
    );
    assert_eq!(
        problems(&text),
        [
            "13:1 `max-dhoas` of a@b is not as in its other section",
            "13:1 `route-optimization` of a@b is not as in its other section",
            "13:1 `home-address` of a@b is not as in its other section",
            "23:16 the home address 2001:db8:1:1::7 is given twice",
        ]
    );
}

#[test]
fn keys_in_a_file_that_everybody_may_read_are_warned_of() {
    let sections = section("a@b", 256, "") + &section("c@d", 257, "");
    let text = format!("{ANCHOR}{sections}");
    let file = File::new(&text, 0o644);
    let said = file.check(&[]);
    assert!(
        said.contains(
            "warning: 2 keys stand in this file, which every user may read: it has mode 0644"
        ) && said.contains("dhpd.toml:11:12")
            && said.contains("= help: chmod o-r this file"),
        "{said}"
    );
    assert!(!said.contains("050505"), "keys are not shown: {said}");
    let document = file.check(&["--json"]);
    let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    let line = document.pointer("/warnings/0/line");
    assert_eq!(line, Some(&serde_json::Value::from(11)));

    for mode in [0o600, 0o640] {
        set_mode(&file.path, mode);
        assert!(!file.check(&[]).contains("warning"));
    }
    let file = File::new(ANCHOR, 0o644);
    assert!(
        !file.check(&[]).contains("warning"),
        "there is no key in it"
    );
}

#[test]
fn a_key_file_that_is_not_private_is_refused_with_place_and_remedy() {
    let text = format!(
        "{ANCHOR}[[mobile-node]]\nid = \"a@b\"\nspi = 256\nhome-key-file = \"keys/mn1.key\"\n"
    );
    let file = File::new(&text, 0o644);
    let directory = file.path.with_file_name("keys");
    let key = directory.join("mn1.key");
    std::fs::create_dir(&directory).expect("made");
    std::fs::write(&key, "0f".repeat(32)).expect("written");
    let refused = || match LoadedConfig::from_file(&file.path) {
        Err(LoadError::Invalid(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    set_mode(&directory, 0o700);
    set_mode(&key, 0o640);
    let (key_name, directory_name) = (key.display(), directory.display());
    let said = refused();
    for part in [
        format!("`home-key-file`: {key_name} has mode 0640: others than its owner may use it"),
        "dhpd.toml:11:17".to_owned(),
        format!("= help: chmod 600 {key_name}"),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    set_mode(&key, 0o600);
    set_mode(&directory, 0o770);
    let said = refused();
    for part in [
        format!("{directory_name} has mode 0770: others than its owner may replace the key file"),
        format!("= help: chmod go-w {directory_name}"),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    set_mode(&directory, 0o755);
    assert!(LoadedConfig::from_file(&file.path).is_ok());
}
