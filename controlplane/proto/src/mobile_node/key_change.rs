//! Another key while everything goes on.

use super::MobileNode;
use super::anchors::UpdateKind;
use super::config::{ConfigError, KeyMaterial};
use crate::auth::Algorithm;
use crate::time::Now;

impl MobileNode {
    /// Goes on with another security association, which the anchors have beside the one before it until all mobile nodes use
    /// theirs. Every binding is confirmed with it at once; until an anchor answers, what it has granted holds.
    ///
    /// # Errors
    /// A reserved SPI, or a key that does not fit its algorithm; nothing has changed then.
    pub fn change_key(
        &mut self,
        now: Now,
        spi: u32,
        algorithm: Algorithm,
        key: KeyMaterial,
    ) -> Result<(), ConfigError> {
        let mut config = self.config.clone();
        (config.spi, config.algorithm, config.key) = (spi, algorithm, key);
        config.validate()?;
        self.config = config;
        for (address, anchor) in &mut self.anchors {
            anchor.key = self.config.key_for(address);
            // An anchor that has lost its numbers wants a timestamp with the first message of each association.
            anchor.mesg_id = true;
        }
        let others = self.other_homes.iter_mut();
        let others = others.map(|other| &mut other.registration);
        for home in self.home.iter_mut().chain(others) {
            home.key = self.config.key_for(&home.agent);
        }
        if self.is_running() && self.care_of.is_some() {
            self.begin_all_again(now);
        }
        self.drive(now);
        Ok(())
    }

    /// What waits for an answer waits for one by the key before, which will not be believed: all of it is asked anew.
    fn begin_all_again(&mut self, now: Now) {
        self.exchanges.clear();
        self.reregister_home(now);
        self.register_others(now);
        for anchor in self.by_urgency() {
            self.bind_anchor(now, anchor, UpdateKind::Confirm);
        }
        self.start_unfinished_flows(now);
    }
}
