//! Values that are addresses, prefixes and names of interfaces

use std::convert::Infallible;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use dhp_wire::ipv6::is_unicast_routable;
use ipnet::Ipv6Net;
use toml::de::DeValue;

use crate::problem::Problem;
use crate::section::{Located, Section};

const ADDRESS: &str = "an IPv6 address such as \"2001:db8:d::1\"";
const NODE: &str = "the global IPv6 address of one node, such as \"2001:db8:d::1\"";
const PREFIX: &str = "an IPv6 prefix such as \"2001:db8:d:1::/64\"";
const PREFIXES: &str = "IPv6 prefixes such as \"2001:db8:c::/48\"";
const INTERFACE: &str = "the name of a network interface, at most 15 characters";

impl Section<'_> {
    /// An IPv6 address.
    pub fn address(&self, key: &'static str) -> Option<Located<Ipv6Addr>> {
        self.text(key, ADDRESS, str::parse)
    }

    /// The address of one node, to which routers forward.
    pub fn node(&self, key: &'static str) -> Option<Located<Ipv6Addr>> {
        self.text(key, NODE, |text| {
            let address: Ipv6Addr = text.parse().map_err(|_| "not an IPv6 address")?;
            match is_unicast_routable(&address) {
                true => Ok(address),
                false => Err("not an address that routers forward to"),
            }
        })
    }

    /// A prefix whose host bits are zero: `2001:db8::1/64` is more likely a slip than meant.
    pub fn prefix(&self, key: &'static str) -> Option<Located<Ipv6Net>> {
        self.text(key, PREFIX, prefix)
    }

    /// The same, one or several: a list of none is a problem.
    pub fn prefixes(&self, key: &'static str) -> Option<Vec<Located<Ipv6Net>>> {
        let value = self.get(key)?;
        if let DeValue::Array(elements) = value.get_ref()
            && elements.is_empty()
        {
            self.problem(Problem::new(
                value.span(),
                format!("`{key}` names nothing"),
                format!("at least one of {PREFIXES}, or no `{key}`"),
            ));
            return None;
        }
        self.texts(key, PREFIXES, prefix)
    }

    /// The name of an interface.
    pub fn interface(&self, key: &'static str) -> Option<Located<String>> {
        self.text(key, INTERFACE, interface)
    }

    /// Names of interfaces.
    pub fn interfaces(&self, key: &'static str) -> Option<Vec<Located<String>>> {
        self.texts(
            key,
            "names of network interfaces, at most 15 characters each",
            interface,
        )
    }

    /// A path of a file.
    pub fn path(&self, key: &'static str, expected: &str) -> Option<Located<PathBuf>> {
        self.text(key, expected, |text| Ok::<_, Infallible>(text.into()))
    }
}

fn prefix(text: &str) -> Result<Ipv6Net, String> {
    let prefix: Ipv6Net = text.parse().map_err(|_| "not an IPv6 prefix".to_owned())?;
    match prefix.trunc() == prefix {
        true => Ok(prefix),
        false => Err(format!(
            "bits are set behind the prefix, which is {}",
            prefix.trunc()
        )),
    }
}

/// Linux: an interface name has 1 to 15 octets, neither blanks nor `/`; some names are directories of `/proc/sys/net`.
fn interface(text: &str) -> Result<String, &'static str> {
    let forbidden =
        |character: char| matches!(character, '/' | ':') || !character.is_ascii_graphic();
    if text.is_empty()
        || text.len() > 15
        || text.contains(forbidden)
        || matches!(text, "." | ".." | "all" | "default")
    {
        Err("no interface can have that name")
    } else {
        Ok(text.to_owned())
    }
}
