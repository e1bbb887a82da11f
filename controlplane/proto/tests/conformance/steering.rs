//! Care-of addresses and flows of the cases.
//!
//! - `bid=1/20@COA`: a Binding Identifier option with BID 1, BID-PRI 20 and a care-of address; of these BID-PRI (0) and care-of
//!   address (none) may be left out; `v4` is an IPv4 one; a `!` at the end is the H flag.
//! - `flow=4/10;proto:17;to:1+3`: a Flow Identification option with FID 4, FID-PRI 10 and sub-options: `proto:`, `port:`, `any`
//!   are selectors of format 2, `ipv4:` has one of format 1 with a protocol, `format:9` one of format 9, `cut` one that is too
//!   short; `to:` is a Binding Reference.
//! - `keep=4+5`: a Flow Summary option.
//! - In answers `bids=1:0,2:167` and `flows=4:0,5:131`: each option with its status.
//! - Of a binding `bids=1:COA,2:COA2` and `flows=4,-5`: in the order of their FID-PRIs, those that are inactive with a minus;
//!   `none` of either. Behind a care-of address under test stands where its excess goes: `2:COA2>COA`, or `>nowhere`.
//!   `excess=` is the same of where packets go by default; `none` where that is under no test.

use std::net::{IpAddr, Ipv4Addr};

use dhp_proto::anchor::{BindingView, UnderTest};
use dhp_wire::codepoints::Status;
use dhp_wire::mobility::{
    Bids, FlowSubOption, Ipv4TrafficSelector, MobilityOption, SelectorRange, TrafficSelector,
};

use crate::address;
use crate::words::{Words, number};

pub fn identifier(text: &str) -> MobilityOption<'static> {
    let (text, home_flag) = match text.strip_suffix('!') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (text, care_of) = match text.split_once('@') {
        Some((text, "v4")) => (text, Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)))),
        Some((text, name)) => (text, Some(IpAddr::V6(address::read(name)))),
        None => (text, None),
    };
    let (bid, priority) = text.split_once('/').unwrap_or((text, "0"));
    MobilityOption::BindingIdentifier {
        bid: number(bid) as u16,
        status: Status(0),
        home_flag,
        priority: number(priority) as u8,
        care_of,
    }
}

/// The option, with these sub-options.
pub fn flow<'a>(text: &str, sub_options: &'a [u8]) -> MobilityOption<'a> {
    let (head, _) = text.split_once(';').unwrap_or((text, ""));
    let (fid, priority) = head.split_once('/').unwrap();
    MobilityOption::FlowIdentification {
        fid: number(fid) as u16,
        priority: number(priority) as u16,
        status: 0,
        sub_options,
    }
}

pub fn sub_options(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for part in text.split(';').skip(1) {
        let (kind, value) = part.split_once(':').unwrap_or((part, "0"));
        let bids = if kind == "to" {
            fids(value)
        } else {
            Vec::new()
        };
        let (format, selector) = selector(kind, value);
        let sub_option = match kind {
            "to" => FlowSubOption::BindingReference(Bids::new(&bids).unwrap()),
            _ => FlowSubOption::TrafficSelector {
                format,
                selector: &selector,
            },
        };
        sub_option.write(&mut octets).unwrap();
    }
    octets
}

fn selector(kind: &str, value: &str) -> (u8, Vec<u8>) {
    let any = TrafficSelector::default();
    let selector = match kind {
        "proto" => TrafficSelector {
            next_header: Some(SelectorRange::one(number(value) as u8)),
            ..any
        },
        "port" => TrafficSelector {
            destination_port: Some(SelectorRange::one(number(value) as u16)),
            ..any
        },
        "ipv4" => {
            let selector = Ipv4TrafficSelector {
                protocol: Some(SelectorRange::one(number(value) as u8)),
                ..Ipv4TrafficSelector::default()
            };
            return (Ipv4TrafficSelector::FORMAT, selector.to_octets());
        }
        "format" => return (number(value) as u8, Vec::new()),
        "cut" => return (TrafficSelector::FORMAT, vec![0, 2, 0]),
        "any" | "to" => any,
        _ => panic!("what is {kind}?"),
    };
    (TrafficSelector::FORMAT, selector.to_octets())
}

/// Numbers with `+` in between.
pub fn fids(text: &str) -> Vec<[u8; 2]> {
    let numbers = text.split('+').map(|text| number(text) as u16);
    numbers.map(u16::to_be_bytes).collect()
}

/// What an answer says of a BID, or of a flow.
pub fn answer(option: &MobilityOption<'_>) -> (Option<String>, Option<String>) {
    match option {
        MobilityOption::BindingIdentifier {
            bid,
            status,
            care_of,
            ..
        } => {
            assert_eq!(*care_of, None, "only in a Binding Update (RFC 5648 4.3)");
            (Some(format!("{bid}:{}", status.0)), None)
        }
        MobilityOption::FlowIdentification { fid, status, .. } => {
            (None, Some(format!("{fid}:{status}")))
        }
        _ => (None, None),
    }
}

/// Where goes what exceeds the credit of a care-of address.
pub fn excess(test: Option<UnderTest>) -> String {
    match test {
        None => "none".to_owned(),
        Some(UnderTest { tested: None }) => "nowhere".to_owned(),
        Some(UnderTest { tested: Some(to) }) => address::name(to),
    }
}

/// Whether a binding has the care-of addresses and flow bindings that a line says it has.
pub fn is_so(binding: &BindingView<'_>, line: &Words) -> bool {
    let bids = binding.care_ofs.iter();
    let bids = bids.map(|care_of| {
        let test = care_of.test.map(|_| format!(">{}", excess(care_of.test)));
        let name = address::name(care_of.address);
        format!("{}:{name}{}", care_of.bid, test.unwrap_or_default())
    });
    let flows = binding.flow_bindings.iter().map(|flow| {
        let minus = match flow.is_active(binding.care_ofs) {
            true => "",
            false => "-",
        };
        format!("{minus}{}", flow.fid)
    });
    let listed = |texts: Vec<String>| match texts.is_empty() {
        true => "none".to_owned(),
        false => texts.join(","),
    };
    let (bids, flows) = (listed(bids.collect()), listed(flows.collect()));
    line.get("bids").is_none_or(|expected| expected == bids)
        && line.get("flows").is_none_or(|expected| expected == flows)
}
