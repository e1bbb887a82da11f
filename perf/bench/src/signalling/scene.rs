//! A crew of mobile nodes at a site: their packets go to the anchor, its packets to them

use std::time::{Duration, Instant};

use anyhow::ensure;
use dhp_engine::{PuntRates, WakeFd};
use dhp_wire::ipv6::Ipv6View;
use dhp_wire::mobility::Lifetime;

use super::crew::Crew;
use super::fleet::coprime_stride;
use super::in_memory::InMemory;
use super::over_veth::OverVeth;
use super::setting::Setting;
use super::site::{Packet, Site, Wire};

/// Mobile nodes that register at the same time.
const AT_ONCE: usize = 256;
/// What stands in the outer header of a packet in a tunnel.
const NEXT_HEADER_IPV6: u8 = 41;

/// The crew and the site.
pub struct Scene<W = InMemory> {
    pub crew: Crew,
    pub site: Site<W>,
    /// How long it took until all were registered.
    pub registration: Duration,
}

impl Scene {
    /// So many mobile nodes with so many flows each, all of them registered with bindings of this lifetime.
    ///
    /// # Errors
    /// Not all of them get a source address for each flow within `patience`.
    pub fn start(
        (count, flows, lifetime): (u32, u16, Lifetime),
        punt_rates: PuntRates,
        setting: Setting<'_>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let crew = Crew::new(count, flows, lifetime)?;
        let site = Site::start(crew.security_associations()?, punt_rates, setting)?;
        Self::register(crew, site, patience)
    }
}

impl Scene<OverVeth> {
    /// The same, and between the mobile nodes and the anchor there is a link of the kernel's.
    ///
    /// # Errors
    /// As [`start`](Scene::start), and without the right to make network namespaces.
    pub fn over_veth(
        (count, flows, lifetime): (u32, u16, Lifetime),
        setting: Setting<'_>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let crew = Crew::new(count, flows, lifetime)?;
        let wake = WakeFd::new()?;
        let (associations, wakes) = (crew.security_associations()?, vec![wake.clone()]);
        let site = Site::with_wire(associations, setting, wakes, |segment, bell| {
            OverVeth::new(segment, setting.cores, wake, bell)
        })?;
        Self::register(crew, site, patience)
    }
}

impl<W: Wire> Scene<W> {
    fn register(crew: Crew, site: Site<W>, patience: Duration) -> anyhow::Result<Self> {
        let count = crew.len();
        let started = Instant::now();
        let mut scene = Self {
            crew,
            site,
            registration: Duration::ZERO,
        };
        // One after the other would be all of one link.
        let stride = coprime_stride(count);
        let (mut next, mut begun) = (0, 0);
        while scene.crew.tally().ready < count as usize {
            if begun < count as usize && begun - scene.crew.tally().ready < AT_ONCE {
                scene.crew.begin(next);
                next = (next + stride) % count;
                begun += 1;
            }
            scene.round(|_, _| ());
            let ready = scene.crew.tally().ready;
            ensure!(
                started.elapsed() < patience,
                "of {count} mobile nodes only {ready} are ready"
            );
        }
        scene.registration = started.elapsed();
        scene.crew.forget_tally();
        Ok(scene)
    }

    /// Have mobile nodes do what they are due to, and put what they send on the wire.
    pub fn speak(&mut self) {
        let Self { crew, site, .. } = self;
        crew.let_time_pass();
        crew.send(|packet| site.push(packet));
    }

    /// Once around: who is due, what is to be sent, a round of the worker, what it has sent. What comes out of a tunnel's
    /// beginning goes to `on_data`.
    pub fn round(&mut self, mut on_data: impl FnMut(&Crew, &Packet)) {
        self.speak();
        let Self { crew, site, .. } = self;
        site.poll();
        while let Some(packet) = site.pop() {
            match Ipv6View::new(packet.octets()) {
                Ok(view) if view.next_header() == NEXT_HEADER_IPV6 => on_data(crew, &packet),
                Ok(view) => crew.receive(view.destination(), packet.octets()),
                Err(_) => {}
            }
        }
    }

    /// How many of the crew's addresses the tables do not have where the mobile node is.
    ///
    /// # Errors
    /// The control plane has stopped.
    pub fn misplaced(&mut self) -> anyhow::Result<u64> {
        let addresses: Vec<_> = (0..self.crew.len())
            .map(|number| self.crew.addresses(number))
            .collect();
        self.site.ask(move |signalling| {
            let is_misplaced = |address: &&Option<_>| {
                address.is_none_or(|(home_address, care_of)| {
                    let bound = signalling.forwarding().bound(home_address);
                    bound.is_none_or(|bound| bound.path.care_of != care_of)
                })
            };
            addresses.iter().filter(is_misplaced).count() as u64
        })
    }
}
