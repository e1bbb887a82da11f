//! What the runs have come across

use std::collections::BTreeMap;
use std::fmt;

use crate::message::Head;
use crate::reference::Expected;

/// Counts by name.
#[derive(Debug, Default)]
pub struct Coverage {
    pub steps: u64,
    operations: BTreeMap<&'static str, u64>,
    /// By kind of answer and status.
    answers: BTreeMap<(&'static str, u8), u64>,
    /// Statuses of DHoA, Binding Identifier and Flow Identification options.
    options: BTreeMap<(&'static str, u8), u64>,
    silences: BTreeMap<&'static str, u64>,
    probes: BTreeMap<&'static str, u64>,
    most_bound: usize,
}

impl Coverage {
    pub fn operation(&mut self, name: &'static str) {
        *self.operations.entry(name).or_default() += 1;
    }

    pub fn probe(&mut self, name: &'static str) {
        *self.probes.entry(name).or_default() += 1;
    }

    pub fn bound(&mut self, count: usize) {
        self.most_bound = self.most_bound.max(count);
    }

    pub fn expected(&mut self, expected: &Expected) {
        let reply = match expected {
            Expected::Silence(why) => {
                *self.silences.entry(why).or_default() += 1;
                return;
            }
            Expected::Anything => return self.operation("query"),
            Expected::Reply(reply, ..) => reply,
        };
        let (kind, status) = match reply.head {
            Head::Dmip { kind, status, .. } => match kind {
                dhp_wire::codepoints::DmipType::DhoaResponse => ("DHoA Response", status),
                _ => ("DHP Binding Confirmation", status),
            },
            Head::Acknowledgement { status, .. } => ("Binding Acknowledgement", status),
            _ => ("other", 0),
        };
        *self.answers.entry((kind, status)).or_default() += 1;
        let dhoas = reply.dhoas.iter().map(|dhoa| ("DHoA", dhoa.0));
        let bids = reply.bids.iter().map(|bid| ("Binding Identifier", bid.1));
        let flows = reply
            .flows
            .iter()
            .map(|flow| ("Flow Identification", flow.1));
        for key in dhoas.chain(bids).chain(flows) {
            *self.options.entry(key).or_default() += 1;
        }
    }

    /// How often a kind of answer, or of option, had this status.
    pub fn seen(&self, kind: &'static str, status: u8) -> u64 {
        let count = |map: &BTreeMap<_, u64>| map.get(&(kind, status)).copied().unwrap_or(0);
        count(&self.answers) + count(&self.options)
    }

    /// How often something was done, looked at, or kept silent about.
    pub fn done(&self, name: &'static str) -> u64 {
        let maps = [&self.operations, &self.probes, &self.silences];
        maps.iter().filter_map(|map| map.get(name)).sum()
    }

    pub fn most_bound(&self) -> usize {
        self.most_bound
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} steps, at most {} bindings at once",
            self.steps, self.most_bound
        )?;
        let named = [
            ("operations", &self.operations),
            ("not answered", &self.silences),
            ("packets", &self.probes),
        ];
        for (heading, map) in named {
            writeln!(f, "{heading}:")?;
            for (name, count) in map {
                writeln!(f, "  {count:>8}  {name}")?;
            }
        }
        for (heading, map) in [("answers", &self.answers), ("options", &self.options)] {
            writeln!(f, "{heading}:")?;
            for ((kind, status), count) in map {
                writeln!(f, "  {count:>8}  {kind}, status {status}")?;
            }
        }
        Ok(())
    }
}
