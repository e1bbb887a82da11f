//! Whether what a scenario says fits together

use anyhow::{Result, ensure};

use crate::access::Access;

use super::mishap::Withdrawal;
use super::model::{Kind, Scenario};

/// Regions and DHPs there can be: each has a hexadecimal octet of the address plan.
const MOST_REGIONS: usize = 16;

impl Scenario {
    /// What is written fits together.
    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            (1..=MOST_REGIONS).contains(&self.regions.len()),
            "there have to be 1 to {MOST_REGIONS} regions"
        );
        ensure!(
            (2..=usize::from(Access::MOST)).contains(&self.accesses.len()),
            "there have to be 2 to {} access networks",
            Access::MOST
        );
        ensure!(!self.modes.is_empty(), "there is no mode to run");
        let mut delays = vec![self.home_agent.delay_ms];
        for region in &self.regions {
            delays.extend([
                region.delay_ms,
                region.dhp_delay_ms,
                region.correspondent_delay_ms,
            ]);
        }
        for access in &self.accesses {
            delays.extend([access.delay_ms, access.queue_ms]);
            ensure!((0.0..=1.0).contains(&access.loss), "a loss is 0 to 1");
            ensure!(
                access
                    .rate_mbps
                    .is_none_or(|rate| rate > 0.0 && rate <= 1e5),
                "a rate is above 0"
            );
            if let Some(region) = &access.at {
                self.region(region)?;
            }
        }
        ensure!(
            delays.iter().all(|delay| (0.0..=10_000.0).contains(delay)),
            "a delay is 0 to 10,000 ms"
        );
        for (index, flow) in self.flows.iter().enumerate() {
            self.region(&flow.to)?;
            let before = self.flows.iter().take(index);
            let is_new = before.clone().all(|other| other.name != flow.name);
            ensure!(is_new, "two flows are called \"{}\"", flow.name);
            let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
            ensure!(
                !flow.name.is_empty() && flow.name.chars().all(plain),
                "\"{}\": a flow's name is of letters, digits and hyphens",
                flow.name
            );
            ensure!(
                (1..=10_000).contains(&flow.rate_pps) && flow.rate_kbytes >= 1,
                "\"{}\": a rate is above 0",
                flow.name
            );
        }
        self.check_accesses()?;
        for failure in &self.failures {
            self.region(&failure.dhp)?;
        }
        self.check_withdrawals()?;
        for wanted in &self.criteria {
            ensure!(
                wanted.at_most.is_some() || wanted.at_least.is_some(),
                "a criterion needs `at-most` or `at-least`"
            );
            if let Some(name) = &wanted.flow {
                let is_there = self.flows.iter().any(|flow| flow.name == *name);
                ensure!(is_there, "there is no flow \"{name}\"");
            }
        }
        Ok(())
    }

    fn check_withdrawals(&self) -> Result<()> {
        for (index, one) in self.withdrawals.iter().enumerate() {
            self.region(&one.dhp)?;
            ensure!(
                [one.at_s, one.for_s]
                    .iter()
                    .all(|time| (0.0..=86_400.0).contains(time)),
                "a time is 0 to a day"
            );
            let mut before = self.withdrawals.iter().take(index);
            let is_apart = |other: &Withdrawal| {
                other.dhp != one.dhp
                    || other.at_s + other.for_s < one.at_s
                    || one.at_s + one.for_s < other.at_s
            };
            ensure!(
                before.all(is_apart),
                "the DHP of {} withdraws what it does not permit",
                one.dhp
            );
        }
        Ok(())
    }

    fn check_accesses(&self) -> Result<()> {
        if let Some(second) = &self.second_access {
            self.access(second)?;
            ensure!(
                self.movement.handoffs.is_empty() && self.movement.count == 0,
                "with `second-access` both interfaces stay where they are: there is no handoff"
            );
        }
        for flow in &self.flows {
            for name in &flow.access {
                ensure!(
                    self.second_access.is_some(),
                    "\"{}\": a choice of access needs `second-access`",
                    flow.name
                );
                self.interface_in(name)?;
            }
            ensure!(
                flow.access.is_empty() || matches!(flow.kind, Kind::Stream | Kind::Download),
                "\"{}\": only a stream or a download has a choice of access",
                flow.name
            );
            ensure!(
                flow.max_loss_permille == 0 || !flow.access.is_empty(),
                "\"{}\": a limit of loss needs `access`",
                flow.name
            );
        }
        for trouble in &self.troubles {
            self.interface_in(&trouble.access)?;
            ensure!(
                [trouble.at_s, trouble.for_s]
                    .iter()
                    .all(|time| (0.0..=86_400.0).contains(time)),
                "a time is 0 to a day"
            );
            ensure!(
                trouble.loss.is_none_or(|loss| (0.0..=1.0).contains(&loss)),
                "a loss is 0 to 1"
            );
        }
        Ok(())
    }
}
