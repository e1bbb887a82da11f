//! What the runs have come across

use std::collections::BTreeMap;
use std::fmt;

use crate::message::Head;
use crate::reference::Expected;

/// Statuses that each kind of answer, and of option in one, has to have had.
const STATUSES: &[(&str, &[u8])] = &[
    (
        "DHoA Response",
        &[0, 129, 130, 135, 144, 145, 146, 174, 192, 195, 196],
    ),
    (
        "DHP Binding Confirmation",
        &[0, 133, 135, 144, 145, 146, 174, 194, 195],
    ),
    (
        "Binding Acknowledgement",
        &[0, 4, 129, 130, 132, 133, 135, 139, 144, 146, 165, 174],
    ),
    ("DHoA", &[0, 4, 130, 133, 174, 194]),
    ("Binding Identifier", &[0, 133, 164, 167, 169, 174]),
    ("Flow Identification", &[0, 129, 130, 131, 132, 133]),
];

/// What has to have happened.
const OCCASIONS: &[&str] = &[
    "agent",
    "belief of an agent",
    "clock step",
    "crowd",
    "drain",
    "from a mobile node",
    "from a stranger",
    "from where a mobile node was just now",
    "no confirmation was wanted",
    "not authenticated",
    "operator's release",
    "orderly restart",
    "query",
    "replay",
    "restart without journal",
    "stall",
    "sudden restart",
    "to a mobile node",
    "to an address that is not bound",
    "to several care-of addresses",
    "unknown SPI",
];

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

    /// The runs have come across all that they are for.
    pub fn assert_enough(&self, steps: usize) {
        assert!(self.steps >= steps as u64, "{} steps", self.steps);
        assert!(self.most_bound >= 150, "{} bindings", self.most_bound);
        for (kind, statuses) in STATUSES {
            for status in *statuses {
                let count = |map: &BTreeMap<_, u64>| map.get(&(*kind, *status)).copied();
                let count = count(&self.answers).or(count(&self.options));
                assert!(count >= Some(5), "{kind}, status {status}: {count:?}");
            }
        }
        for name in OCCASIONS {
            let maps = [&self.operations, &self.probes, &self.silences];
            let count: u64 = maps.iter().filter_map(|map| map.get(name)).sum();
            assert!(count >= 5, "{name}: {count}");
        }
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
