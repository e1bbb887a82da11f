//! The mobile nodes that an anchor knows, and their security associations.

use core::net::Ipv6Addr;
use core::num::NonZeroU64;
use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::answers::{Answers, KeptAnswer, RequestMac, StoredAnswers};
use super::binding_cache::{AddressMap, Order};
use super::recent_map::RecentMap;
use super::sequence::SequenceWindow;
use crate::security_association::{MnId, SecurityAssociation};

/// Names a mobile node inside one anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MnIndex(u32);

impl MnIndex {
    /// Its number: it is the mobile node's for as long as the anchor lives.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// A mobile node: the owner of security associations and of home addresses.
#[derive(Debug)]
pub(crate) struct MobileNode {
    pub(crate) id: Arc<MnId>,
    /// The DHoAs that are bound, oldest first.
    pub(crate) dhoas: Vec<Ipv6Addr>,
    /// The DHoAs that it may wish back, oldest first.
    pub(crate) quarantined: VecDeque<Ipv6Addr>,
}

/// A security association and what its use has left behind.
#[derive(Debug)]
pub(crate) struct Association {
    pub(crate) security: Arc<SecurityAssociation>,
    pub(crate) owner: MnIndex,
    pub(crate) window: SequenceWindow,
    pub(crate) answers: StoredAnswers,
    /// Whether a timer runs that will forget answers.
    pub(crate) answers_timer: bool,
    /// The MESG-ID of the message with the highest sequence number, if it had one.
    pub(crate) newest_timestamp: Option<u64>,
    /// Numbers were used of which nothing is known. It stays so when a fresh message has begun them anew: what was recorded
    /// before is ahead of them, too.
    pub(crate) has_lost_numbers: bool,
    /// When the last new message came that was authenticated by it, in nanoseconds of [`crate::time::Now::mono_ns`].
    heard_ns: Option<NonZeroU64>,
    /// Messages that named it and were not authenticated by it.
    refused: u32,
}

impl Association {
    fn new(security: SecurityAssociation, owner: MnIndex) -> Self {
        Self {
            security: Arc::new(security),
            owner,
            window: SequenceWindow::default(),
            answers: StoredAnswers::default(),
            answers_timer: false,
            newest_timestamp: None,
            has_lost_numbers: false,
            heard_ns: None,
            refused: 0,
        }
    }

    /// A new message came that is authenticated by it.
    pub(crate) fn heard(&mut self, mono_ns: u64) {
        self.heard_ns = NonZeroU64::new(mono_ns);
    }

    /// When [`Self::heard`] was said last, in nanoseconds of [`crate::time::Now::mono_ns`].
    pub(crate) fn heard_ns(&self) -> Option<u64> {
        self.heard_ns.map(NonZeroU64::get)
    }

    /// Messages that named it and were not authenticated by it.
    pub(crate) fn refused(&self) -> u32 {
        self.refused
    }

    /// The same, with perhaps another key or other permissions. The numbers go on: those used are no less used.
    fn with_security(mut self, security: SecurityAssociation, answers: &mut Answers) -> Self {
        if !self.security.has_key_of(&security) {
            // They are authenticated by a key that is no longer good.
            answers.forget_all(&mut self.answers);
        }
        self.security = Arc::new(security);
        self
    }
}

/// A home address that belongs to a mobile node by configuration: bound or not, it is nobody else's.
#[derive(Debug, Clone, Copy)]
struct Owned {
    owner: MnIndex,
    /// The DMIP message that last released it.
    released_by: Option<Order>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct MobileNodes {
    nodes: Vec<MobileNode>,
    associations: RecentMap<u32, Association>,
    /// The places of the associations in order of their owners, so that those of one stand together.
    by_owner: Vec<(MnIndex, u32)>,
    answers: Answers,
    /// Home addresses that belong to a mobile node by configuration.
    owned: AddressMap<Owned>,
}

impl MobileNodes {
    pub(crate) fn new(associations: Vec<SecurityAssociation>) -> Self {
        let mut nodes = Self::default();
        // None was there before, so that none has ended.
        let _ = nodes.replace(associations);
        nodes
    }

    /// Of no association that is there now is it known which numbers were used. One that comes later is new.
    pub(crate) fn lose_numbers(&mut self) {
        for association in self.associations.values_mut() {
            association.has_lost_numbers = true;
        }
    }

    /// Takes these associations for all that were known. A mobile node keeps its index for good, an association that
    /// stays with its owner keeps the numbers it has used, and a home address what has released it. Gives the SPIs of the
    /// associations that have ended: one that comes with the same SPI later has other numbers.
    pub(crate) fn replace(&mut self, associations: Vec<SecurityAssociation>) -> HashSet<u32> {
        let mut by_id: HashMap<Arc<MnId>, MnIndex> = (0..)
            .zip(&self.nodes)
            .map(|(index, node)| (Arc::clone(&node.id), MnIndex(index)))
            .collect();
        let mut known = core::mem::take(&mut self.associations);
        let known_owned = core::mem::take(&mut self.owned);
        let mut ended = HashSet::new();
        for security in associations {
            let owner = *by_id
                .entry(Arc::clone(security.shared_mn_id()))
                .or_insert_with_key(|id| self.add_node(Arc::clone(id)));
            for home_address in &security.permissions().home_addresses {
                let before = known_owned.get(home_address);
                let owned = before.filter(|owned| owned.owner == owner).copied();
                self.owned.insert(
                    *home_address,
                    owned.unwrap_or(Owned {
                        owner,
                        released_by: None,
                    }),
                );
            }
            let association = match known.swap_remove(&security.spi()) {
                Some(before) if before.owner == owner => {
                    before.with_security(security, &mut self.answers)
                }
                anothers => {
                    if let Some(mut gone) = anothers {
                        ended.insert(gone.security.spi());
                        self.answers.forget_all(&mut gone.answers);
                    }
                    Association::new(security, owner)
                }
            };
            self.associations
                .insert(association.security.spi(), association);
        }
        for gone in known.values_mut() {
            self.answers.forget_all(&mut gone.answers);
        }
        ended.extend(known.keys());
        for owned in self.owned.values_mut() {
            let released_by = owned.released_by;
            owned.released_by = released_by.filter(|order| !ended.contains(&order.spi));
        }
        let owners = self.associations.values();
        let owners = owners.map(|association| association.owner);
        self.by_owner = owners.zip(0..).collect();
        self.by_owner.sort_unstable();
        ended
    }

    /// Takes space for an answer of each association.
    pub(crate) fn reserve(&mut self) {
        self.answers.reserve(self.associations.len());
    }

    /// What this request of an association was answered; see [`Answers::find`].
    pub(crate) fn stored_answer(
        &self,
        association: &Association,
        request: &RequestMac,
        now_ns: u64,
    ) -> Option<&KeptAnswer> {
        self.answers.find(&association.answers, request, now_ns)
    }

    /// Keeps an answer of an association. Whether a timer has to be started that will have it forgotten.
    pub(crate) fn keep_answer(
        &mut self,
        spi: u32,
        request: RequestMac,
        answer: KeptAnswer,
        now_ns: u64,
    ) -> bool {
        let Some(association) = self.associations.get_mut(&spi) else {
            return false;
        };
        let of = &mut association.answers;
        self.answers.keep(of, request, answer, now_ns);
        !core::mem::replace(&mut association.answers_timer, true)
    }

    /// Forgets the old answers of an association, and gives the moment at which the next one gets old.
    pub(crate) fn forget_old_answers(&mut self, spi: u32, now_ns: u64) -> Option<u64> {
        let association = self.associations.get_mut(&spi)?;
        let next = self.answers.forget_old(&mut association.answers, now_ns);
        association.answers_timer = next.is_some();
        next
    }

    pub(crate) fn add_node(&mut self, id: Arc<MnId>) -> MnIndex {
        let index = MnIndex(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(MobileNode {
            id,
            dhoas: Vec::new(),
            quarantined: VecDeque::new(),
        });
        index
    }

    pub(crate) fn node(&self, index: MnIndex) -> Option<&MobileNode> {
        self.nodes.get(index.0 as usize)
    }

    pub(crate) fn node_mut(&mut self, index: MnIndex) -> Option<&mut MobileNode> {
        self.nodes.get_mut(index.0 as usize)
    }

    pub(crate) fn association(&self, spi: u32) -> Option<&Association> {
        self.associations.get(&spi)
    }

    pub(crate) fn place_of_association(&self, spi: u32) -> Option<usize> {
        self.associations.get_index_of(&spi)
    }

    /// The association at a place; a place is good until the configuration changes.
    pub(crate) fn association_at(&self, place: usize) -> Option<&Association> {
        self.associations.get_index(place).map(|(_, at)| at)
    }

    /// Reads what the next request of an association will need of its answers, and gives a number that tells nothing.
    pub(crate) fn look_at_answers(&self, association: &Association) -> u32 {
        self.answers.look_at(&association.answers)
    }

    /// The same of a mobile node.
    pub(crate) fn look_at_node(&self, index: MnIndex) -> usize {
        let node = self.node(index);
        node.map_or(0, |node| {
            node.dhoas.len() ^ Arc::as_ptr(&node.id).addr() ^ node.quarantined.len()
        })
    }

    pub(crate) fn association_mut(&mut self, spi: u32) -> Option<&mut Association> {
        self.associations.get_mut(&spi)
    }

    pub(crate) fn associations(&self) -> impl Iterator<Item = &Association> {
        self.associations.values()
    }

    /// How many there are.
    pub(crate) fn association_count(&self) -> usize {
        self.associations.len()
    }

    /// The associations of a mobile node, in the order of the configuration; none, if it is no longer known.
    pub(crate) fn associations_of(&self, owner: MnIndex) -> impl Iterator<Item = &Association> {
        let first = self.by_owner.partition_point(|(of, _)| *of < owner);
        let behind = self.by_owner.get(first..).unwrap_or_default().iter();
        let own = behind.take_while(move |(of, _)| *of == owner);
        own.filter_map(|(_, place)| {
            let (_, association) = self.associations.get_index(usize::try_from(*place).ok()?)?;
            Some(association)
        })
    }

    /// Every mobile node that was ever known, from a number on.
    pub(crate) fn nodes_from(&self, first: u32) -> impl Iterator<Item = (MnIndex, &MobileNode)> {
        let nodes = self.nodes.get(first as usize..).unwrap_or_default();
        // In this order a number behind the last mobile node is not counted up.
        let nodes = nodes.iter().zip(first..);
        nodes.map(|(node, number)| (MnIndex(number), node))
    }

    /// Counts a message that named an association and was not authenticated by it.
    pub(crate) fn count_refused(&mut self, spi: u32) {
        if let Some(association) = self.associations.get_mut(&spi) {
            association.refused = association.refused.saturating_add(1);
        }
    }

    /// Who owns a home address by configuration, if anyone.
    pub(crate) fn owner(&self, home_address: &Ipv6Addr) -> Option<MnIndex> {
        self.owned.get(home_address).map(|owned| owned.owner)
    }

    /// The home addresses that belong to mobile nodes by configuration.
    pub(crate) fn owned(&self) -> impl Iterator<Item = &Ipv6Addr> {
        self.owned.keys()
    }

    /// Remembers what has released a home address, so that a message that was overtaken does not bind it again.
    pub(crate) fn remember_release(&mut self, home_address: &Ipv6Addr, order: Order) {
        if let Some(owned) = self.owned.get_mut(home_address) {
            owned.released_by = Some(order);
        }
    }

    /// Whether a message that was sent later has released the home address.
    pub(crate) fn was_released_after(&self, home_address: &Ipv6Addr, order: Order) -> bool {
        let released_by = self
            .owned
            .get(home_address)
            .and_then(|owned| owned.released_by);
        released_by.is_some_and(|release| release.is_after(order))
    }
}
