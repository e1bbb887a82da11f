//! The exact flows of a batch, on their way from memory while the others are asked for
//!
//! Where a flow is looked for depends on the flow set of its home address, and that on the binding. So it takes steps of its own when
//! the bindings of the batch are on their way. Express packets whose binding turns out to have flow rules are planned after all, in
//! their place in the batch ([`plan_flows`]); the flow set of each binding is asked for where that is found; then come the tags of all
//! flows, and then the flows themselves ([`expect_flows`]). What a flow's rule says is read when its packet's turn comes.

use arrayvec::ArrayVec;
use dhp_segment::{FlowPlace, Reader};

use crate::classify::{Ingress, classify};
use crate::express::{Express, Lane};
use crate::flow_rules::PacketFlow;
use crate::lookup::Lookup;
use crate::plan::Plan;
use crate::{BATCH_SIZE, Batch, PacketBuf};

/// Have the express packets to home addresses with flow rules go the long way. Those that seem to be such and are not, do so too.
#[inline(never)]
pub(crate) fn plan_flows<B: PacketBuf>(
    batch: &mut Batch<B>,
    express: &mut Express,
    plans: &mut [Plan; BATCH_SIZE],
    ingress: Ingress,
    reader: &Reader,
    lookup: &mut Lookup,
) {
    let mut is_any = false;
    for ((frame, progress), plan) in batch.iter_mut().zip(express.progresses_mut()).zip(plans) {
        if progress.lane == Lane::Enter && reader.may_have_flows(progress.candidate) {
            *plan = classify(frame, ingress, reader, lookup);
            progress.lane = Lane::Long;
            is_any = true;
        }
    }
    if is_any {
        express.add_long();
    }
}

/// Have the exact flows of a batch whose bindings are known come nearer.
#[inline(never)]
pub(crate) fn expect_flows<B: PacketBuf>(
    batch: &Batch<B>,
    express: &Express,
    plans: &[Plan; BATCH_SIZE],
    reader: &Reader,
    lookup: &Lookup,
) {
    let places: ArrayVec<FlowPlace, BATCH_SIZE> = batch
        .iter()
        .zip(express.progresses())
        .zip(plans)
        .filter(|((_, progress), _)| progress.lane == Lane::Long)
        .filter_map(|((packet, _), plan)| expect(packet.bytes(), plan, reader, lookup))
        .take(BATCH_SIZE)
        .collect();
    for place in places {
        reader.expect_flow_entry(place);
    }
}

/// Where the exact flow of a packet is looked for, if that may have a rule.
fn expect(packet: &[u8], plan: &Plan, reader: &Reader, lookup: &Lookup) -> Option<FlowPlace> {
    let (packet, home) = match plan {
        Plan::Deliver { home, .. } => (packet, *home),
        Plan::Decapsulate(tunnelled) => {
            let inner = packet.get(tunnelled.inner_offset as usize..)?;
            (inner, tunnelled.home)
        }
        Plan::Drop(_) | Plan::Host | Plan::Reassemble => return None,
    };
    let set = reader.flow_set(lookup.entry(home)?.flows()?)?;
    let flow = PacketFlow::of(packet)?;
    reader.expect_flow(set, &flow.key)
}
