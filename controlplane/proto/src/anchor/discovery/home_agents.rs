//! The Home Agents List of each home link (RFC 6275 §10.1, §10.5.1).

use core::net::Ipv6Addr;

use dhp_wire::icmpv6::{NdOption, NdOptions, RouterAdvertisement, prefix_flag, router_flag};
use hashbrown::HashMap;

use super::super::Anchor;
use super::super::home_link::LinkId;
use super::link_prefixes::{LinkPrefix, LinkPrefixes};
use crate::time::{NANOS_PER_SECOND, Now};

/// Home agents that one link's list has room for, and addresses that each has.
const MAX_HOME_AGENTS: usize = 64;
const MAX_ADDRESSES: usize = 16;

/// A home agent on a home link, as its Router Advertisements describe it.
#[derive(Debug)]
pub(super) struct HomeAgent {
    /// Higher is better.
    pub(super) preference: u16,
    expires_ns: u64,
    /// Global addresses and when their prefixes end; `None` for never.
    addresses: Vec<(Ipv6Addr, Option<u64>)>,
    /// What it advertises.
    pub(super) prefixes: LinkPrefixes,
}

impl HomeAgent {
    /// The addresses whose prefixes are valid: "Global addresses for the router in a Home Agents List entry MUST be deleted
    /// once the prefix associated with that address is no longer valid" (RFC 6275 §10.1).
    pub(super) fn addresses(&self, now: Now) -> impl Iterator<Item = Ipv6Addr> {
        let is_valid = move |end: Option<u64>| end.is_none_or(|end| end > now.mono_ns);
        let addresses = self.addresses.iter();
        addresses
            .filter(move |(_, end)| is_valid(*end))
            .map(|(address, _)| *address)
    }
}

/// The other home agents, by link and link-local address.
#[derive(Debug, Default)]
pub(crate) struct HomeAgents {
    by_link: HashMap<LinkId, HashMap<Ipv6Addr, HomeAgent>>,
    /// When something was new on a link that its mobile nodes have to be told.
    news_ns: HashMap<LinkId, u64>,
}

impl HomeAgents {
    /// Those of a link whose lifetime has not passed.
    pub(super) fn on(&self, link: LinkId, now: Now) -> impl Iterator<Item = &HomeAgent> {
        let listed = self
            .by_link
            .get(&link)
            .into_iter()
            .flat_map(HashMap::values);
        listed.filter(move |home_agent| home_agent.expires_ns > now.mono_ns)
    }
}

impl Anchor {
    /// RFC 6275 §10.5.1, step by step.
    pub(super) fn learn_home_agent(
        &mut self,
        now: Now,
        link: LinkId,
        source: Ipv6Addr,
        advertisement: &RouterAdvertisement,
        options: &NdOptions<'_>,
    ) {
        let list = self.home_agents.by_link.entry(link).or_default();
        // "SHOULD maintain an entry … until that entry's lifetime expires, after which time the entry MUST be deleted."
        list.retain(|_, home_agent| home_agent.expires_ns > now.mono_ns);
        // "If the Home Agent (H) bit in the Router Advertisement is not set, delete the sending node's entry".
        if advertisement.flags & router_flag::HOME_AGENT == 0 {
            list.remove(&source);
            return;
        }
        // "If the Router Advertisement contains a Home Agent Information Option, then the preference is taken from the …
        // option; otherwise, the default preference of 0 MUST be used." The lifetime likewise, else the Router Lifetime.
        let information = options.iter().find_map(|option| match option {
            Ok(NdOption::HomeAgent {
                preference,
                lifetime_s,
            }) => Some((preference, lifetime_s)),
            _ => None,
        });
        let (preference, lifetime_s) = information.unwrap_or((0, advertisement.lifetime_s));
        // "… and the received home agent lifetime value is zero, immediately delete this entry".
        if lifetime_s == 0 {
            list.remove(&source);
            return;
        }
        if list.len() >= MAX_HOME_AGENTS && !list.contains_key(&source) {
            return;
        }
        let expires_ns = now.deadline_ns(u64::from(lifetime_s).saturating_mul(NANOS_PER_SECOND));
        let home_agent = list.entry(source).or_insert(HomeAgent {
            preference,
            expires_ns,
            addresses: Vec::new(),
            prefixes: LinkPrefixes::default(),
        });
        home_agent.preference = preference;
        home_agent.expires_ns = expires_ns;
        // "determine any global address(es) of the home agent based on each Prefix Information option received in this
        // Advertisement in which the Router Address (R) bit is set"
        for option in options.iter() {
            if let Ok(NdOption::Prefix(prefix)) = option
                && prefix.flags & prefix_flag::ROUTER_ADDRESS != 0
            {
                let valid_s = prefix.valid_lifetime_s;
                let seconds = u64::from(valid_s).saturating_mul(NANOS_PER_SECOND);
                let end = (valid_s != u32::MAX).then(|| now.deadline_ns(seconds));
                home_agent.learn_address(prefix.prefix, end, now);
            }
        }
        self.learn_link_prefixes(now, link, source, options);
    }

    /// Takes the prefixes that another home agent advertises, but for those that are configured here. All mobile nodes of the
    /// link are told of news: they are taken once a second, and again from the next advertisement where there were more.
    fn learn_link_prefixes(
        &mut self,
        now: Now,
        link: LinkId,
        source: Ipv6Addr,
        options: &NdOptions<'_>,
    ) {
        let HomeAgents { by_link, news_ns } = &mut self.home_agents;
        let listed = by_link.get_mut(&link);
        let Some(home_agent) = listed.and_then(|list| list.get_mut(&source)) else {
            return;
        };
        let last_ns = news_ns.get(&link);
        let takes_news =
            last_ns.is_none_or(|last| now.mono_ns.saturating_sub(*last) >= NANOS_PER_SECOND);
        let mut has_news = false;
        for option in options.iter() {
            let Ok(NdOption::Prefix(option)) = option else {
                continue;
            };
            let Some(prefix) = LinkPrefix::read(&option, now) else {
                continue;
            };
            let is_news = home_agent.prefixes.is_news(&prefix, now);
            if self.pools.iter().any(|pool| pool.prefix == prefix.prefix)
                || (is_news && !takes_news)
            {
                continue;
            }
            has_news |= is_news;
            home_agent.prefixes.learn(prefix, now);
        }
        if has_news {
            news_ns.insert(link, now.mono_ns);
            self.plan_link_deliveries(now, link);
        }
    }
}

impl HomeAgent {
    fn learn_address(&mut self, address: Ipv6Addr, end: Option<u64>, now: Now) {
        self.addresses.retain(|(known, known_end)| {
            *known != address && known_end.is_none_or(|end| end > now.mono_ns)
        });
        if self.addresses.len() < MAX_ADDRESSES && end.is_none_or(|end| end > now.mono_ns) {
            self.addresses.push((address, end));
        }
    }
}
