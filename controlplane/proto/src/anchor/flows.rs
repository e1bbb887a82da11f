//! The flows of a DHP Binding Update, and the modes that the mobile node confirms.

use dhp_wire::codepoints::Status;
use dhp_wire::mobility::{MobilityOption, Mode};

use super::Anchor;
use super::binding_cache::{FlowMode, MAX_FLOWS};
use super::binding_update::Verdict;
use super::dhoa_steering::Steered;
use super::flow_bindings::FlowOption;
use super::request::Proven;
use super::request_options::RequestOptions;

impl Anchor {
    /// Records flows and modes of the accepted addresses; the modes go into the answer. "RFC 6089's 'flows not
    /// mentioned are deleted' holds for listed DHoAs."
    pub(crate) fn record_flows(
        &mut self,
        proven: &Proven,
        options: &RequestOptions<'_>,
        verdicts: &[Verdict],
        steered: &mut Steered<'_>,
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
            |flow: &&FlowOption| !options.dhoas.iter().any(|dhoa| dhoa.fid == flow.fid);
        let mut recorded: Vec<u16> = Vec::new();
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
            // RFC 6089 has no status for a lack of room. A flow binding is in force without a place here, in proxy mode.
            for fid in fids.get(MAX_FLOWS..).unwrap_or_default() {
                if !binding.flow_bindings().iter().any(|flow| flow.fid == *fid) {
                    steered.refuse_description(*fid);
                }
            }
            fids.truncate(MAX_FLOWS);
            recorded.extend(&fids);
            recorded.push(0);
            let flows = fids.into_iter().map(|fid| {
                let mode = mode_of(fid).unwrap_or_else(|| binding.mode_of(fid));
                FlowMode { fid, mode }
            });
            binding.flows = flows.collect();
        }
        let modes = options.modes.iter().map(|(fid, mode)| {
            // What is in force, not what was asked for.
            let mode = match permitted && recorded.contains(fid) {
                true => *mode,
                false => Mode::Proxy,
            };
            MobilityOption::CommunicationMode { mode, fid: *fid }
        });
        modes.collect()
    }
}
