//! The flows of a DHP Binding Update, and the modes that the mobile node confirms.

use dhp_wire::codepoints::{Status, flow_status, flow_sub_option};
use dhp_wire::mobility::{MobilityOption, Mode};

use super::Anchor;
use super::binding_cache::{FlowMode, MAX_FLOWS};
use super::binding_update::Verdict;
use super::request::Proven;
use super::request_options::{FlowOption, RequestOptions};

impl Anchor {
    /// Records flows and modes of the accepted addresses; what it did goes into the answer. "RFC 6089's 'flows not
    /// mentioned are deleted' holds for listed DHoAs."
    pub(crate) fn record_flows(
        &mut self,
        proven: &Proven,
        options: &RequestOptions<'_>,
        verdicts: &[Verdict],
    ) -> Vec<MobilityOption<'static>> {
        let permitted = self.route_optimization_flag(&proven.security) != 0;
        let mode_of = |fid: u16| {
            let find = |wanted: u16| {
                options
                    .modes
                    .iter()
                    .find(|(of, _)| *of == wanted)
                    .map(|(_, mode)| *mode)
            };
            find(fid)
                .or_else(|| find(0))
                .map(|mode| if permitted { mode } else { Mode::Proxy })
        };
        // "a Flow Identification to the DHoA whose option has its FID, one whose FID stands in no DHoA option to
        // every listed DHoA with FID 0"
        let belongs_to_all =
            |flow: &&FlowOption<'_>| !options.dhoas.iter().any(|dhoa| dhoa.fid == flow.fid);
        for (dhoa, verdict) in options.dhoas.iter().zip(verdicts) {
            let address = dhoa.address;
            let Some(binding) = self.cache.bindings.get_mut(&address) else {
                continue;
            };
            let changed_by_this = binding.order == Some(proven.order);
            if !Status(verdict.status).is_accepted() || !changed_by_this {
                continue;
            }
            let own = options
                .dhoas
                .iter()
                .filter(|other| other.address == address)
                .map(|other| other.fid);
            let mut fids: Vec<u16> = own.collect();
            if fids.contains(&0) {
                fids.extend(
                    options
                        .flows
                        .iter()
                        .filter(belongs_to_all)
                        .map(|flow| flow.fid),
                );
            }
            fids.truncate(MAX_FLOWS);
            let flows = fids.into_iter().map(|fid| {
                let mode = mode_of(fid).unwrap_or_else(|| binding.mode_of(fid));
                FlowMode { fid, mode }
            });
            binding.flows = flows.collect();
        }
        let modes = options.modes.iter().map(|(fid, mode)| {
            let mode = if permitted { *mode } else { Mode::Proxy };
            MobilityOption::CommunicationMode { mode, fid: *fid }
        });
        let flows = options
            .flows
            .iter()
            .map(|flow| MobilityOption::FlowIdentification {
                fid: flow.fid,
                priority: flow.priority,
                // Without Binding Identifiers there is no binding that a reference could name.
                status: if has_binding_reference(flow.sub_options) {
                    flow_status::BID_NOT_FOUND
                } else {
                    flow_status::ACCEPTED
                },
                sub_options: &[],
            });
        flows.chain(modes).collect()
    }
}

/// Whether a Flow Identification option has a Binding Reference sub-option (RFC 6089 §4.2.1.3).
fn has_binding_reference(sub_options: &[u8]) -> bool {
    let mut rest = sub_options;
    loop {
        rest = match rest {
            [flow_sub_option::PAD1, after @ ..] => after,
            [flow_sub_option::BINDING_REFERENCE, ..] => return true,
            [_, len, after @ ..] => after.get(usize::from(*len)..).unwrap_or_default(),
            _ => return false,
        };
    }
}
