//! Which mobility a flow needs, and who began it (profile 1, section 2, steps 1 and 2).
//!
//! Judged by rules in order, the first that matches decides. What none matches is left alone. Like the rest of the engine it
//! has neither clock nor socket.

mod conversation;
mod names;
mod selector;

use core::net::Ipv6Addr;

pub use conversation::{Conversation, Conversations};
pub use names::{NameSuffix, NamedAddresses};
pub use selector::{Contact, Program, Selector};

use super::need::Need;

/// What a flow gets (RFC 8653 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Treatment {
    /// An anchored address.
    Anchored(Need),
    /// The care-of address: no mobility.
    NonPersistent,
}

/// A rule of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it is about.
    pub selector: Selector,
    /// What that gets.
    pub treatment: Treatment,
    /// Whether the anchor is looked for at start, for the whole prefix, and not when somebody talks to a correspondent.
    pub prepare: bool,
    /// Whether correspondents may be told the care-of address, so that packets go directly where they and the anchor can.
    pub optimize: bool,
}

/// The rules, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The first that matches decides.
    pub rules: Vec<Rule>,
}

impl Policy {
    /// The first rule that a contact matches, with its position. What a contact does not tell matches no rule that asks for it.
    #[must_use]
    pub fn judge(&self, contact: &Contact, names: &NamedAddresses) -> Option<(usize, &Rule)> {
        self.rules.iter().enumerate().find(|(position, rule)| {
            self.is_about(*position, &contact.destination, names) && rule.selector.takes(contact)
        })
    }

    /// The rules that flows to a destination can match, whatever their protocols and ports are.
    pub fn possible<'a>(
        &'a self,
        destination: &'a Ipv6Addr,
        names: &'a NamedAddresses,
    ) -> impl Iterator<Item = (usize, &'a Rule)> {
        let mut decided = false;
        self.rules
            .iter()
            .enumerate()
            .filter(|(position, _)| self.is_about(*position, destination, names))
            .take_while(move |(_, rule)| {
                let reached = !decided;
                decided |= rule.selector.is_about_addresses_only();
                reached
            })
    }

    /// Notes that a name has an address, for the rules that are about the name.
    pub fn learn_name(
        &self,
        names: &mut NamedAddresses,
        name: &str,
        address: Ipv6Addr,
        expires_ns: u64,
    ) {
        for (position, rule) in self.rules.iter().enumerate() {
            let meant = rule.selector.name.as_ref();
            if meant.is_some_and(|suffix| suffix.takes(name))
                && rule.selector.prefix.contains(&address)
            {
                names.learn(position, address, expires_ns);
            }
        }
    }

    fn is_about(&self, position: usize, address: &Ipv6Addr, names: &NamedAddresses) -> bool {
        self.rules.get(position).is_some_and(|rule| {
            rule.selector.prefix.contains(address)
                && (rule.selector.name.is_none() || names.contains(position, address))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::action::Session;
    use super::*;

    const TCP: u8 = 6;
    const UDP: u8 = 17;

    fn rule(prefix: &str, selector: Selector, session: Session) -> Rule {
        Rule {
            selector: Selector {
                prefix: prefix.parse().expect("a prefix"),
                ..selector
            },
            treatment: Treatment::Anchored(session.into()),
            prepare: false,
            optimize: false,
        }
    }

    fn policy() -> Policy {
        let secure_shell = Selector {
            protocol: Some(TCP),
            ports: vec![22..=22],
            ..Selector::default()
        };
        let streams = Selector {
            name: NameSuffix::new("video.example"),
            ..Selector::default()
        };
        Policy {
            rules: vec![
                rule("::/0", secure_shell, Session::Fixed),
                rule("::/0", streams, Session::GracefulReplacement),
                rule(
                    "2001:db8::/32",
                    Selector::default(),
                    Session::SessionLasting,
                ),
                rule("::/0", Selector::default(), Session::Fixed),
            ],
        }
    }

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let (policy, names) = (policy(), NamedAddresses::default());
        let judged =
            |contact: Contact| policy.judge(&contact, &names).map(|(position, _)| position);
        let cn = ip("2001:db8:c::80");
        assert_eq!(judged(Contact::new(cn).to_port(TCP, 22)), Some(0));
        assert_eq!(judged(Contact::new(cn).to_port(UDP, 22)), Some(2));
        assert_eq!(judged(Contact::new(cn).to_port(TCP, 443)), Some(2));
        assert_eq!(judged(Contact::new(cn)), Some(2), "no port is not port 22");
        assert_eq!(judged(Contact::new(ip("2001:db9::1"))), Some(3));
    }

    #[test]
    fn a_rule_about_a_name_is_about_the_addresses_that_it_has_had() {
        let (policy, mut names) = (policy(), NamedAddresses::default());
        let (cn, other) = (ip("2001:db8:c::80"), ip("2001:db8:c::81"));
        policy.learn_name(&mut names, "cdn.Video.example.", cn, 1000);
        policy.learn_name(&mut names, "notvideo.example", other, 1000);
        let judged = |names: &NamedAddresses, to| {
            let judged = policy.judge(&Contact::new(to), names);
            judged.map(|(position, _)| position)
        };
        assert_eq!(judged(&names, cn), Some(1));
        assert_eq!(judged(&names, other), Some(2));
        names.expire(1000);
        assert_eq!(judged(&names, cn), Some(2));
    }

    #[test]
    fn what_a_destination_can_match_ends_with_the_rule_that_takes_all_of_it() {
        let (policy, names) = (policy(), NamedAddresses::default());
        let cn = ip("2001:db8:c::80");
        let positions: Vec<_> = policy
            .possible(&cn, &names)
            .map(|(position, _)| position)
            .collect();
        assert_eq!(positions, [0, 2]);
    }
}
