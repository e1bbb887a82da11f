//! What is right and may still not be wanted

use super::{Config, Pool, PoolKind};

/// Of a pool with fewer bits for hosts an address may well be drawn again by chance.
const LONGEST_WITHOUT_JOURNAL: u8 = 96;

impl Config {
    /// Pools so narrow that a start without a journal may assign to one mobile node what another still holds. Of a wider pool
    /// nobody draws an address twice: with 2^32 of them and a thousand mobile nodes one start in four thousand would.
    pub fn pools_that_need_a_journal(&self) -> impl Iterator<Item = &Pool> {
        let has_journal = self.signalling.journal.is_some();
        self.pools.iter().filter(move |pool| {
            !has_journal
                && pool.kind == PoolKind::Dhoa
                && pool.prefix.prefix_len() > LONGEST_WITHOUT_JOURNAL
        })
    }

    /// A sentence for each.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.signalling.code_points.is_experimental() {
            remarks.push("experimental code points: not for deployment (RFC 5096)".to_owned());
        }
        remarks.extend(self.pools_that_need_a_journal().map(|pool| {
            format!(
                "the pool {} is narrow and there is no journal: after a restart an address may be assigned that a mobile node \
                 of before still holds. Remedy: [signalling] journal",
                pool.prefix
            )
        }));
        remarks
    }
}
