//! Meters: which bindings have one.

use super::Writer;
use crate::error::{SegmentError, Table};
use crate::layout::header_word;
use crate::pool::Retired;
use crate::sync::Ordering;
use crate::template::{Account, Template, Tunnel};

impl Writer {
    /// The account of a binding's default care-of address in its next template; `before` is the one it has. A binding with a meter
    /// keeps it to its end, since its other care-of addresses use it too.
    pub(super) fn meter_account(
        &mut self,
        tunnel: &Tunnel,
        before: Option<&Template>,
    ) -> Result<Account, SegmentError> {
        let meter = match before.and_then(|before| before.meter) {
            Some(meter) => meter,
            None if tunnel.is_metered() => self.new_meter()?,
            None => return Ok(Account::default()),
        };
        let account = Account {
            meter: Some(meter),
            number: 0,
        };
        self.begin_test(tunnel, account, before);
        Ok(account)
    }

    /// Begin the test of a care-of address, unless it is going on already.
    pub(super) fn begin_test(&self, tunnel: &Tunnel, account: Account, before: Option<&Template>) {
        let goes_on = before.is_some_and(|before| {
            before.is_tested_now()
                && before.number == account.number
                && before.destination == tunnel.care_of.octets()
        });
        if tunnel.test.is_some()
            && !goes_on
            && let Some(meter) = account.meter.and_then(|meter| self.view.meter(meter))
        {
            // The time as of the last heartbeat, which is soon enough.
            let beaten = self.view.word(header_word::HEARTBEAT);
            meter.begin_test(beaten.map_or(0, |beaten| beaten.load(Ordering::Relaxed)));
        }
    }

    fn new_meter(&mut self) -> Result<u32, SegmentError> {
        let capacity = self.view.layout.geometry.meters;
        let table = Table::Meters;
        if self.meters_in_use >= capacity {
            return Err(SegmentError::Full { table, capacity });
        }
        self.make_space(table, |writer| writer.meters.has_free())?;
        let id = self.meters.take().ok_or(SegmentError::Busy { table })?;
        if let Some(meter) = self.view.meter(id) {
            meter.clear();
        }
        self.meters_in_use += 1;
        Ok(id)
    }

    /// Keeps a meter that no binding has any more until the workers have let go of it.
    pub(super) fn retire_meter(&mut self, id: u32) {
        self.meters_in_use = self.meters_in_use.saturating_sub(1);
        self.retire(Retired::Meter(id));
    }

    /// Gives back a meter that no reader has seen.
    pub(super) fn give_back_meter(&mut self, id: u32) {
        self.meters_in_use = self.meters_in_use.saturating_sub(1);
        self.meters.give(id);
    }
}
