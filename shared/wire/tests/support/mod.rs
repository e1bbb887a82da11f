//! What several test files need: the vectors, the MACs of RFC 4285 and of the profile, and what holds for any octets.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod checks;

use std::net::Ipv6Addr;

use hmac::{Hmac, KeyInit, Mac};

/// A byte-exact example of a Mobility Header.
#[derive(serde::Deserialize)]
pub struct Vector {
    pub name: String,
    pub src: Ipv6Addr,
    pub dst: Ipv6Addr,
    #[serde(deserialize_with = "octets_of_hex")]
    pub mh: Vec<u8>,
    pub fields: serde_json::Value,
}

/// Every vector with a Mobility Header.
pub fn vectors() -> Vec<Vector> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/vectors.json"
    );
    let text = std::fs::read_to_string(path).expect("the vectors");
    let all: Vec<serde_json::Value> = serde_json::from_str(&text).expect("the vectors' JSON");
    let vectors: Vec<Vector> = all
        .into_iter()
        .filter(|vector| vector.get("mh").is_some())
        .map(|vector| serde_json::from_value(vector).expect("a vector"))
        .collect();
    assert!(vectors.len() >= 12);
    vectors
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets_of_hex<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    <String as serde::Deserialize>::deserialize(from).map(|text| unhex(&text))
}

/// The two algorithms, by their names in the vectors.
#[derive(Clone, Copy, Debug)]
pub enum Algorithm {
    HmacSha1_96,
    HmacSha256_128,
}

impl Algorithm {
    pub fn named(name: &str) -> Self {
        match name {
            "hmac-sha1-96" => Self::HmacSha1_96,
            "hmac-sha256-128" => Self::HmacSha256_128,
            other => panic!("algorithm {other}"),
        }
    }

    pub fn len(self) -> usize {
        match self {
            Self::HmacSha1_96 => 12,
            Self::HmacSha256_128 => 16,
        }
    }

    /// First (96 or 128, HMAC (key, care-of address | home address | Mobility Header data)).
    pub fn mac(self, key: &[u8], coa: &Ipv6Addr, hoa: &Ipv6Addr, data: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::HmacSha1_96 => run::<Hmac<sha1::Sha1>>(key, coa, hoa, data, self.len()),
            Self::HmacSha256_128 => run::<Hmac<sha2::Sha256>>(key, coa, hoa, data, self.len()),
        }
    }
}

fn run<M: Mac + KeyInit>(
    key: &[u8],
    coa: &Ipv6Addr,
    hoa: &Ipv6Addr,
    data: &[&[u8]],
    len: usize,
) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("a key of any length");
    mac.update(&coa.octets());
    mac.update(&hoa.octets());
    for piece in data {
        mac.update(piece);
    }
    mac.finalize().into_bytes()[..len].to_vec()
}
