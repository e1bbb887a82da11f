//! A security association: who, which, and the key

use std::convert::Infallible;
use std::ops::Range;
use std::path::Path;

use dhp_proto::auth::{Algorithm, Key};

use crate::key::from_hex;
use crate::key_file::from_file;
use crate::problem::Problem;
use crate::section::{Located, Section};

const KEY: &str = "the key in hexadecimal digits, 16 to 64 octets";
const KEY_FILE: &str = "a file with the key in hexadecimal digits, mode 0600, which belongs to root or this user, as its directory does";
const ALGORITHMS: [Algorithm; 2] = [Algorithm::HmacSha256_128, Algorithm::HmacSha1_96];

/// Where the key of a security association comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A home key, from which a key for each anchor is derived.
    Home(Key),
    /// The key itself.
    Exact(Key),
}

/// What a section says of a security association, as far as it was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// `id`: Network Access Identifier.
    pub id: Option<String>,
    /// `spi`: security parameter index, 256 or more.
    pub spi: Option<Located<u32>>,
    /// `algorithm`: how messages are authenticated.
    pub algorithm: Option<Algorithm>,
    /// The key.
    pub key: Option<KeySource>,
    /// Where it stands, if not in a file of its own.
    pub inline_key: Option<Range<usize>>,
}

impl Section<'_> {
    /// The keys of a security association: `id`, `spi`, `algorithm`, and exactly one of `home-key`, `home-key-file`, `key`,
    /// `key-file`. Key files are looked for relative to `directory`.
    pub fn association(&self, directory: &Path) -> Association {
        let id = self.text(
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
        let id = self.require("id", id, "\"mn1@example.net\"");
        // RFC 4285 §5.1: "The mobility SPI is a number in the range [0-4294967296], where the range [0-255] is reserved."
        let spi = self.require("spi", self.integer("spi", 256..=u64::from(u32::MAX)), "256");
        let spi = spi.and_then(|spi| {
            Some(Located {
                value: u32::try_from(spi.value).ok()?,
                span: spi.span,
            })
        });
        let algorithm = self.word(
            "algorithm",
            &ALGORITHMS.map(|algorithm| (algorithm.name(), algorithm)),
        );
        let algorithm = match algorithm {
            None if self.has("algorithm") => None,
            None => Some(Algorithm::HmacSha256_128),
            Some(algorithm) => Some(algorithm.value),
        };
        Association {
            id: id.map(|id| id.value),
            spi,
            algorithm,
            key: self.key_source(directory, algorithm),
            inline_key: ["home-key", "key"]
                .into_iter()
                .find_map(|name| self.place_of(name)),
        }
    }

    /// The key in a file of its own.
    fn key_file(&self, name: &'static str, directory: &Path) -> Option<Located<Key>> {
        let file = self.text(name, KEY_FILE, |text| {
            Ok::<_, Infallible>(directory.join(text))
        })?;
        match from_file(&file.value) {
            Ok(value) => Some(Located {
                value,
                span: file.span,
            }),
            Err(error) => {
                let problem = Problem::new(file.span, format!("`{name}`: {error}"), KEY_FILE);
                self.problem(Problem {
                    help: error.remedy(),
                    ..problem
                });
                None
            }
        }
    }

    /// Exactly one of four ways to give the key.
    fn key_source(&self, directory: &Path, algorithm: Option<Algorithm>) -> Option<KeySource> {
        let names = ["home-key", "home-key-file", "key", "key-file"];
        let wrong = |what: &str, expected: &str| {
            self.problem(Problem::new(
                self.span.clone(),
                format!("{} has {what}", self.title),
                format!("{expected}one of {}", names.join(", ")),
            ));
        };
        match names.into_iter().filter(|name| self.has(name)).count() {
            1 => {}
            0 => {
                wrong("no key", "");
                return None;
            }
            _ => {
                wrong("several keys", "only ");
                return None;
            }
        }
        let home = self.secret("home-key", KEY, from_hex);
        let exact = self.secret("key", KEY, from_hex);
        let home_file = self.key_file("home-key-file", directory);
        let exact_file = self.key_file("key-file", directory);
        if let Some(home) = home.or(home_file) {
            return Some(KeySource::Home(home.value));
        }
        let exact: Located<Key> = exact.or(exact_file)?;
        let (algorithm, octets) = (algorithm?, exact.value.octets().len());
        if octets != algorithm.key_len() {
            self.problem(Problem::new(
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
}
