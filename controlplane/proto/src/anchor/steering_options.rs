//! What a Binding Update says of several care-of addresses and of flows, and what is answered.

use dhp_wire::codepoints::{Status, flow_status, mobility_option};
use dhp_wire::mobility::{Builder, MobilityOption, OptionError};

use super::flow_bindings::{FlowOption, UpdatedFlows};
use super::identifiers::IdentifierOption;

/// Octets of the longest Mobility Header that needs no fragmentation behind an IPv6 header and a type 2 routing header
/// (RFC 8200 §5, and RFC 6089 §6: "Implementations SHOULD take care to minimize fragmentation"), less the 64 octets of other
/// options and authentication.
const LONGEST_ANSWER: usize = 1280 - 40 - 24 - 64;

/// The options of a Binding Update that are about care-of addresses and flows.
#[derive(Debug, Clone, Default)]
pub(crate) struct SteeringOptions {
    pub(crate) identifiers: Vec<IdentifierOption>,
    /// A Binding Identifier option could not be read.
    pub(crate) has_malformed_identifier: bool,
    pub(crate) flows: Vec<FlowOption>,
    /// The FIDs of Flow Summary options.
    pub(crate) summary: Vec<u16>,
    /// A flow option could not be read: who knows which flows it was about.
    pub(crate) has_unreadable_flow: bool,
}

/// What is answered to them.
#[derive(Debug, Clone, Default)]
pub(crate) struct SteeringAnswer {
    /// A status for each Binding Identifier option; none: 0 for all, so that the header's status counts.
    pub(crate) identifiers: Vec<u8>,
    /// A status for each Flow Identification option; none: they were not looked at.
    pub(crate) flows: Vec<u8>,
    /// FIDs of Flow Summary options that are not known.
    pub(crate) unknown: Vec<u16>,
}

impl SteeringOptions {
    /// Takes an option, if it is one of these.
    pub(crate) fn take(&mut self, option: &MobilityOption<'_>) {
        match *option {
            MobilityOption::BindingIdentifier {
                bid,
                home_flag,
                priority,
                care_of,
                ..
            } => self.identifiers.push(IdentifierOption {
                bid,
                home_flag,
                priority,
                care_of,
            }),
            MobilityOption::FlowIdentification {
                fid,
                priority,
                sub_options,
                ..
            } => self.flows.push(FlowOption {
                fid,
                priority,
                sub_options: sub_options.into(),
            }),
            MobilityOption::FlowSummary(fids) => self.summary.extend(fids.iter()),
            _ => {}
        }
    }

    /// Takes note of an option that could not be read; `false` if it is none of these.
    pub(crate) fn take_unreadable(&mut self, error: &OptionError) -> bool {
        match error.kind {
            mobility_option::BINDING_IDENTIFIER => self.has_malformed_identifier = true,
            mobility_option::FLOW_IDENTIFICATION | mobility_option::FLOW_SUMMARY => {
                self.has_unreadable_flow = true;
            }
            _ => return false,
        }
        true
    }

    /// Appends what is answered. RFC 5648 §6.2: "Whenever a Binding Acknowledgement is sent, all the Binding Identifier mobility
    /// options stored in the Binding Update MUST be copied to the Binding Acknowledgement except the Status field. The Care-of
    /// Address field … MAY be omitted".
    pub(crate) fn answer(&self, mut builder: Builder, answer: &SteeringAnswer) -> Builder {
        let mut statuses = answer.identifiers.iter().copied();
        for option in &self.identifiers {
            builder = builder.option(&MobilityOption::BindingIdentifier {
                bid: option.bid,
                status: Status(statuses.next().unwrap_or_default()),
                home_flag: option.home_flag,
                priority: option.priority,
                care_of: None,
            });
        }
        // Nearly all updates are about no flows.
        if self.flows.is_empty() && answer.unknown.is_empty() {
            return builder;
        }
        let copied = self.answer_flows(builder.clone(), answer, |option| &option.sub_options);
        if copied.is_complete() && copied.len() <= LONGEST_ANSWER {
            return copied;
        }
        self.answer_flows(builder, answer, |_| &[])
    }

    /// RFC 6089 §5.3.5: "the home agent SHOULD copy each flow identification mobility option received in the binding update and
    /// set its status code to an appropriate value", which without its sub-options is shorter.
    fn answer_flows<'o>(
        &'o self,
        mut builder: Builder,
        answer: &SteeringAnswer,
        sub_options: impl Fn(&'o FlowOption) -> &'o [u8],
    ) -> Builder {
        for (option, status) in self.flows.iter().zip(&answer.flows) {
            builder = builder.option(&MobilityOption::FlowIdentification {
                fid: option.fid,
                priority: option.priority,
                status: *status,
                sub_options: sub_options(option),
            });
        }
        for fid in &answer.unknown {
            let option = MobilityOption::FlowIdentification {
                fid: *fid,
                // There is none, but 0 "MUST NOT be used" (§4.2).
                priority: u16::MAX,
                status: flow_status::FID_NOT_FOUND,
                sub_options: &[],
            };
            let fits = builder.len_with(&option, 0);
            if fits.is_some_and(|len| len <= LONGEST_ANSWER) {
                builder = builder.option(&option);
            }
        }
        builder
    }
}

impl SteeringAnswer {
    /// What became of care-of addresses and flows.
    pub(crate) fn new(identifiers: Vec<u8>, flows: UpdatedFlows) -> Self {
        Self {
            identifiers,
            flows: flows.statuses,
            unknown: flows.unknown,
        }
    }
}
