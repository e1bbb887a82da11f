//! What a binding may get: the credit of a care-of address under test, and the cap on its rate

use dhp_segment::{DropReason, Template};

use crate::Port;
use crate::path::Path;

/// What is to become of a packet for a limited binding.
pub(crate) enum Limited {
    /// It goes its way.
    Go,
    /// It goes to the care-of address that has been tested.
    Elsewhere(Template),
    /// It is dropped.
    Refused(DropReason),
}

impl<P: Port> Path<P> {
    /// Account for `octets`, outer header included, to the care-of address of a template that has a meter.
    #[cold]
    pub(crate) fn limit(&self, template: &Template, octets: usize) -> Limited {
        let Some(meter) = template.meter.and_then(|meter| self.reader.meter(meter)) else {
            return Limited::Go;
        };
        let octets = octets as u64;
        if template.rate_cap != 0 && !meter.pace(octets, template.rate_cap, self.now_ns) {
            return Limited::Refused(DropReason::BindingRateCap);
        }
        if !template.is_tested_now() || meter.spend(template.number, octets, self.now_ns) {
            return Limited::Go;
        }
        // DMIPv6 profile 1, section 6.4: "what exceeds it goes to the old, tested CoA if there is one".
        let tested = template.tested.and_then(|id| self.reader.template(id));
        tested.map_or(
            Limited::Refused(DropReason::CareOfTestCredit),
            Limited::Elsewhere,
        )
    }

    /// Account for a packet accepted from a mobile node, on the meter of its template.
    #[inline]
    pub(crate) fn credit(&self, meter: Option<u32>, octets: usize) {
        if let Some(meter) = meter.and_then(|meter| self.reader.meter(meter)) {
            meter.receive(octets as u64, self.now_ns);
        }
    }
}
