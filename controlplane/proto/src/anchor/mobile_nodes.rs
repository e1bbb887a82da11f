//! The mobile nodes that an anchor knows, and their security associations.

use core::net::Ipv6Addr;
use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use indexmap::IndexMap;

use super::answers::{Answers, RequestMac, StoredAnswers};
use super::binding_cache::{AddressMap, Order};
use super::sequence::SequenceWindow;
use crate::security_association::{MnId, SecurityAssociation};

/// Names a mobile node inside one anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MnIndex(u32);

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
        }
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
    associations: IndexMap<u32, Association, RandomState>,
    answers: Answers,
    /// Home addresses that belong to a mobile node by configuration.
    owned: AddressMap<Owned>,
}

impl MobileNodes {
    pub(crate) fn new(associations: Vec<SecurityAssociation>) -> Self {
        let mut nodes = Self::default();
        nodes.replace(associations);
        nodes
    }

    /// Takes these associations for all that were known. A mobile node keeps its index for good, an association that
    /// stays with its owner keeps the numbers it has used, and a home address what has released it.
    pub(crate) fn replace(&mut self, associations: Vec<SecurityAssociation>) {
        let mut by_id: HashMap<Arc<MnId>, MnIndex> = (0..)
            .zip(&self.nodes)
            .map(|(index, node)| (Arc::clone(&node.id), MnIndex(index)))
            .collect();
        let mut known = core::mem::take(&mut self.associations);
        let known_owned = core::mem::take(&mut self.owned);
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
    }

    /// Takes space for an answer of each association.
    pub(crate) fn reserve(&mut self) {
        self.answers.reserve(self.associations.len());
    }

    /// The answer that an association has had for this request; see [`Answers::find`].
    pub(crate) fn stored_answer(
        &self,
        association: &Association,
        request: &RequestMac,
        now_ns: u64,
    ) -> Option<Option<&[u8]>> {
        self.answers.find(&association.answers, request, now_ns)
    }

    /// Keeps an answer of an association. Whether a timer has to be started that will have it forgotten.
    pub(crate) fn keep_answer(
        &mut self,
        spi: u32,
        request: RequestMac,
        answer: Option<&[u8]>,
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

    fn add_node(&mut self, id: Arc<MnId>) -> MnIndex {
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

    pub(crate) fn association_mut(&mut self, spi: u32) -> Option<&mut Association> {
        self.associations.get_mut(&spi)
    }

    pub(crate) fn associations(&self) -> impl Iterator<Item = &Association> {
        self.associations.values()
    }

    /// Who owns a home address by configuration, if anyone.
    pub(crate) fn owner(&self, home_address: &Ipv6Addr) -> Option<MnIndex> {
        self.owned.get(home_address).map(|owned| owned.owner)
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
