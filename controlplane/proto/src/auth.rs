//! The RFC 4285 MN-HA message authentication code and the keys that it runs on.

use core::net::Ipv6Addr;

use hkdf::Hkdf;
use hmac::block_api::HmacCore;
use hmac::digest::block_api::{Buffer, CoreProxy};
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How the authentication data of the MN-HA option is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RFC 4285 §5.1: "Authentication Data = First (96, HMAC_SHA1(MN-HA Shared key, Mobility Data))".
    HmacSha1_96,
    /// DMIPv6 profile 1, section 6.1: the first 16 octets of HMAC-SHA256 over the same data.
    HmacSha256_128,
}

impl Algorithm {
    /// Octets of authentication data in the option.
    #[must_use]
    pub const fn mac_len(self) -> usize {
        match self {
            Self::HmacSha1_96 => 12,
            Self::HmacSha256_128 => 16,
        }
    }

    /// Octets of key. RFC 4285 §5.1: "The key consists of an arbitrary value and is 16 octets in length."
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::HmacSha1_96 => 16,
            Self::HmacSha256_128 => 32,
        }
    }

    /// The name used in configuration and in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha1_96 => "hmac-sha1-96",
            Self::HmacSha256_128 => "hmac-sha256-128",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::HmacSha1_96, Self::HmacSha256_128]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }
}

impl core::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A shared secret. Its octets never show in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// Wraps the octets of a key.
    #[must_use]
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Key({} octets)", self.0.len())
    }
}

/// Authentication data: 12 or 16 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticationData {
    octets: [u8; 16],
    len: usize,
}

impl AsRef<[u8]> for AuthenticationData {
    fn as_ref(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&self.octets)
    }
}

/// The key of one DHP, derived from a mobile node's home key.
///
/// DMIPv6 profile 1, section 6.2: HKDF-SHA256 without salt, info = "dmip" | DHP address, as long as the
/// algorithm's key. A compromised DHP thereby exposes no other DHP's key.
#[must_use]
pub fn derive_dhp_key(home_key: &Key, dhp: &Ipv6Addr, algorithm: Algorithm) -> Key {
    let mut okm = vec![0; algorithm.key_len()];
    let info: [&[u8]; 2] = [b"dmip", &dhp.octets()];
    // The only error is an output of more than 255 hashes (8160 octets); ours is 16 or 32 octets long.
    if Hkdf::<Sha256>::new(None, home_key.octets())
        .expand_multi_info(&info, &mut okm)
        .is_err()
    {
        okm.clear();
    }
    Key(okm)
}

/// The authentication data of a message.
///
/// `mh_through_spi` is the Mobility Header from octet 0 up to and including the SPI of the option. RFC 4285 §5.1:
/// "Mobility Data = care-of address | home address | Mobility Header (MH) Data"; "The Checksum field in the Mobility
/// Header MUST be set to 0 to calculate the Mobility Data", which this function sees to, whatever stands there.
///
/// In DMIPv6 messages `home` is the DHP's address (profile 1, section 6.1).
#[must_use]
pub fn mac(
    algorithm: Algorithm,
    key: &Key,
    care_of: &Ipv6Addr,
    home: &Ipv6Addr,
    mh_through_spi: &[u8],
) -> AuthenticationData {
    PreparedKey::new(algorithm, key).mac(care_of, home, mh_through_spi)
}

/// Whether `received` is the authentication data of the message; takes the same time wherever they differ.
#[must_use]
pub fn verify(
    algorithm: Algorithm,
    key: &Key,
    care_of: &Ipv6Addr,
    home: &Ipv6Addr,
    mh_through_spi: &[u8],
    received: &[u8],
) -> bool {
    PreparedKey::new(algorithm, key).verify(care_of, home, mh_through_spi, received)
}

/// A key with which many messages are authenticated. RFC 2104 §4: "the intermediate results of the compression function on the
/// B-byte blocks (K XOR ipad) and (K XOR opad) can be precomputed only once at the time of generation of the key K".
#[derive(Clone)]
pub struct PreparedKey(Prepared);

/// `None`: HMAC does not take the key. It takes keys of any length.
#[derive(Clone)]
enum Prepared {
    HmacSha1_96(Option<HmacCore<Sha1>>),
    HmacSha256_128(Option<HmacCore<Sha256>>),
}

impl PreparedKey {
    /// Prepares a key.
    #[must_use]
    pub fn new(algorithm: Algorithm, key: &Key) -> Self {
        let octets = key.octets();
        Self(match algorithm {
            Algorithm::HmacSha1_96 => Prepared::HmacSha1_96(HmacCore::new_from_slice(octets).ok()),
            Algorithm::HmacSha256_128 => {
                Prepared::HmacSha256_128(HmacCore::new_from_slice(octets).ok())
            }
        })
    }

    /// What it is used with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Prepared::HmacSha1_96(_) => Algorithm::HmacSha1_96,
            Prepared::HmacSha256_128(_) => Algorithm::HmacSha256_128,
        }
    }

    /// The authentication data of a message; see [`mac`].
    #[must_use]
    pub fn mac(
        &self,
        care_of: &Ipv6Addr,
        home: &Ipv6Addr,
        mh_through_spi: &[u8],
    ) -> AuthenticationData {
        let mut octets = [0; 16];
        let message = (care_of, home, mh_through_spi);
        match &self.0 {
            Prepared::HmacSha1_96(core) => digest::<Sha1>(core.as_ref(), message, &mut octets),
            Prepared::HmacSha256_128(core) => digest::<Sha256>(core.as_ref(), message, &mut octets),
        }
        AuthenticationData {
            octets,
            len: self.algorithm().mac_len(),
        }
    }

    /// Whether `received` is the authentication data of the message; see [`verify`].
    #[must_use]
    pub fn verify(
        &self,
        care_of: &Ipv6Addr,
        home: &Ipv6Addr,
        mh_through_spi: &[u8],
        received: &[u8],
    ) -> bool {
        self.mac(care_of, home, mh_through_spi)
            .as_ref()
            .ct_eq(received)
            .into()
    }
}

/// Keys are the same if they authenticate the same.
impl PartialEq for PreparedKey {
    fn eq(&self, other: &Self) -> bool {
        let of_nothing = |key: &Self| {
            let nowhere = Ipv6Addr::UNSPECIFIED;
            key.mac(&nowhere, &nowhere, &[])
        };
        self.algorithm() == other.algorithm() && of_nothing(self) == of_nothing(other)
    }
}

impl Eq for PreparedKey {}

impl core::fmt::Debug for PreparedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PreparedKey({})", self.algorithm())
    }
}

/// Offset of the Checksum in a Mobility Header (RFC 6275 §6.1.1).
const CHECKSUM_OFFSET: usize = 4;

fn digest<D>(
    core: Option<&HmacCore<D>>,
    (care_of, home, mh): (&Ipv6Addr, &Ipv6Addr, &[u8]),
    out: &mut [u8; 16],
) where
    D: EagerHash,
    Hmac<D>: Mac + CoreProxy<Core = HmacCore<D>>,
{
    let Some(core) = core else {
        return;
    };
    let mut hmac = Hmac::<D>::compose(core.clone(), Buffer::<HmacCore<D>>::default());
    hmac.update(&care_of.octets());
    hmac.update(&home.octets());
    let (before, from_checksum) = mh.split_at_checked(CHECKSUM_OFFSET).unwrap_or((mh, &[]));
    let (checksum, after) = from_checksum
        .split_at_checked(2)
        .unwrap_or((from_checksum, &[]));
    hmac.update(before);
    hmac.update([0, 0].get(..checksum.len()).unwrap_or(&[]));
    hmac.update(after);
    for (to, from) in out.iter_mut().zip(hmac.finalize().into_bytes()) {
        *to = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    }

    /// RFC 4285 §5.1, a home Binding Update with Alternate CoA; the checksum on the wire does not matter.
    #[test]
    fn the_mac_of_a_home_binding_update() {
        let mh = hex(
            "3b060500f52d0001e00003840100031020010db8000200000000000000000100010300000009110100000100",
        );
        let key = Key::new([0x11; 16]);
        let (care_of, home) = (address("2001:db8:2::100"), address("2001:db8:1::100"));
        let expected = hex("c7b4ba2073e01230361d0634");
        assert_eq!(
            mac(Algorithm::HmacSha1_96, &key, &care_of, &home, &mh).as_ref(),
            expected
        );
        assert!(verify(
            Algorithm::HmacSha1_96,
            &key,
            &care_of,
            &home,
            &mh,
            &expected
        ));
        let mut other_checksum = mh.clone();
        other_checksum[4] ^= 0xff;
        assert!(verify(
            Algorithm::HmacSha1_96,
            &key,
            &care_of,
            &home,
            &other_checksum,
            &expected
        ));
    }

    #[test]
    fn a_changed_input_or_a_short_mac_does_not_verify() {
        let (key, mh) = (Key::new([7; 32]), [59u8; 40]);
        let (care_of, home) = (address("2001:db8::1"), address("2001:db8::2"));
        let good = mac(Algorithm::HmacSha256_128, &key, &care_of, &home, &mh);
        let check = |key: &Key, care_of, home, mh: &[u8], mac: &[u8]| {
            verify(Algorithm::HmacSha256_128, key, care_of, home, mh, mac)
        };
        assert!(check(&key, &care_of, &home, &mh, good.as_ref()));
        assert!(!check(
            &Key::new([8; 32]),
            &care_of,
            &home,
            &mh,
            good.as_ref()
        ));
        assert!(!check(&key, &home, &home, &mh, good.as_ref()));
        assert!(!check(&key, &care_of, &care_of, &mh, good.as_ref()));
        assert!(!check(&key, &care_of, &home, &mh[1..], good.as_ref()));
        assert!(!check(&key, &care_of, &home, &mh, &good.as_ref()[..12]));
        assert!(!check(&key, &care_of, &home, &mh, &[]));
    }

    #[test]
    fn a_header_of_any_length_is_digested() {
        for len in 0..10 {
            let _ = mac(
                Algorithm::HmacSha1_96,
                &Key::new([1; 16]),
                &Ipv6Addr::LOCALHOST,
                &Ipv6Addr::LOCALHOST,
                &vec![1; len],
            );
        }
    }

    #[test]
    fn prepared_keys_are_the_same_if_key_and_algorithm_are() {
        let prepared = |algorithm, octet| PreparedKey::new(algorithm, &Key::new([octet; 32]));
        let key = prepared(Algorithm::HmacSha256_128, 1);
        assert_eq!(key, key.clone());
        assert_ne!(key, prepared(Algorithm::HmacSha256_128, 2));
        assert_ne!(key, prepared(Algorithm::HmacSha1_96, 1));
        assert_eq!(format!("{key:?}"), "PreparedKey(hmac-sha256-128)");
    }

    #[test]
    fn names_round_trip_and_keys_stay_secret() {
        for algorithm in [Algorithm::HmacSha1_96, Algorithm::HmacSha256_128] {
            assert_eq!(
                Algorithm::from_name(&algorithm.to_string()),
                Some(algorithm)
            );
        }
        assert_eq!(Algorithm::from_name("none"), None);
        assert_eq!(format!("{:?}", Key::new([0x42; 16])), "Key(16 octets)");
    }
}
