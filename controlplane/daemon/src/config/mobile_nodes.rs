//! The sections `[[mobile-node]]`

use std::path::Path;

use dhp_proto::auth::{Algorithm, Key};

use super::check::MobileNodeDraft;
use super::problem::Problem;
use super::read::address;
use super::section::{Located, Section};
use super::{KeySource, MobileNode, key};

const KEY: &str = "the key in hexadecimal digits, 16 to 64 octets";

/// Read one.
pub(super) fn mobile_node(section: Section<'_>, directory: &Path) -> Option<MobileNodeDraft> {
    let id = section.text(
        "id",
        "a Network Access Identifier such as \"mn1@example.net\"",
        |text| {
            // RFC 4283: the option's length octet counts the subtype too.
            match text.len() {
                1..=254 => Ok(text.to_owned()),
                _ => Err("1 to 254 octets are possible"),
            }
        },
    );
    let id = section.require("id", id, "\"mn1@example.net\"");
    // RFC 4285 §5.1: "The mobility SPI is a number in the range [0-4294967296], where the range [0-255] is reserved."
    let spi = section.require(
        "spi",
        section.integer("spi", 256..=u64::from(u32::MAX)),
        "256",
    );
    let algorithm = section.text(
        "algorithm",
        "\"hmac-sha256-128\" or \"hmac-sha1-96\"",
        |text| Algorithm::from_name(text).ok_or("not an algorithm"),
    );
    let algorithm = match algorithm {
        Some(algorithm) => Some(algorithm.value),
        None if section.has("algorithm") => None,
        None => Some(Algorithm::HmacSha256_128),
    };
    let key = mobile_node_key(&section, directory, algorithm);
    let home_address = address(&section, "home-address");
    let max_dhoas = section.integer("max-dhoas", 0..=65_535);
    let route_optimization = section.boolean("route-optimization").unwrap_or(false);
    section.finish();
    let (id, spi) = (id?, spi?);
    Some(MobileNodeDraft {
        node: MobileNode {
            id: id.value,
            spi: u32::try_from(spi.value).ok()?,
            algorithm: algorithm?,
            key: key?,
            home_address: home_address.as_ref().map(|address| address.value),
            max_dhoas: max_dhoas
                .and_then(|number| usize::try_from(number.value).ok())
                .unwrap_or(16),
            route_optimization,
        },
        spi_span: spi.span,
        home_address_span: home_address.map(|address| address.span),
    })
}

/// Exactly one of four ways to give the key.
fn mobile_node_key(
    section: &Section<'_>,
    directory: &Path,
    algorithm: Option<Algorithm>,
) -> Option<KeySource> {
    let file = |text: &str| key::from_file(&directory.join(text));
    let expected_file =
        "a file with the key in hexadecimal digits, mode 0600, owned by root or by this user";
    let home = section.secret("home-key", KEY, key::from_hex);
    let exact = section.secret("key", KEY, key::from_hex);
    let home_file = section.text("home-key-file", expected_file, file);
    let exact_file = section.text("key-file", expected_file, file);
    let given = ["home-key", "key", "home-key-file", "key-file"];
    match given.into_iter().filter(|name| section.has(name)).count() {
        1 => {}
        0 => {
            section.problem(Problem::new(
                section.span.clone(),
                format!("{} has no key", section.title),
                "one of home-key, home-key-file, key, key-file",
            ));
            return None;
        }
        _ => {
            section.problem(Problem::new(
                section.span.clone(),
                format!("{} has several keys", section.title),
                "only one of home-key, home-key-file, key, key-file",
            ));
            return None;
        }
    }
    if let Some(home) = home.or(home_file) {
        return Some(KeySource::Home(home.value));
    }
    let exact: Located<Key> = exact.or(exact_file)?;
    let (algorithm, octets) = (algorithm?, exact.value.octets().len());
    if octets != algorithm.key_len() {
        section.problem(Problem::new(
            exact.span,
            format!("the key has {octets} octets"),
            format!(
                "{} octets, the key size of {algorithm}",
                algorithm.key_len()
            ),
        ));
        return None;
    }
    Some(KeySource::Exact(exact.value))
}
