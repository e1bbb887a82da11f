//! DMIPv6 messages of the cases (DMIPv6 profile 1, section 4.1).
//!
//! - `query …`, `req …`, `upd …`: DHP Query, DHoA Request, DHP Binding Update. `seq=`, `life=` in 4 s units, `flags=` letters of D, A
//!   (the default of an update) and R, or a number; `by=` as for Binding Updates, `none` by default for a query.
//! - Options: `cn=CN/64` (CN/128, `none`) of queries and requests; `list=FREE1,FREE2.3/20` DHoAs, with a FID behind the dot and a
//!   lifetime behind the slash; `alt=`; `mode=4:1` a Communication Mode of FID 4; `cookie=` octets, or one of `cookies`; `needs=kbit/s,ms,permille`;
//!   `pad=` octets of PadN; `mesgid=`, `mn-id=`, `bid=`, `flow=`, `option=` as in Binding Updates; `trailing` behind AUTH.
//! - Answers `reply`, `resp` and `conf` have `status=`, `seq=`, `life=`, `flags=` (O or none), `list=FREE1:0/150,FREE2.3:194/0` (status
//!   and lifetime), `dhps=ANCHOR/48:0` (load), `modes=4:1`, `bids=`, `flows=`, `cookie=`, `mesgid=`, `auth=` the SPI.

use dhp_wire::codepoints::{CodePoints, DmipType, Status, dmip_flag};
use dhp_wire::mobility::{Builder, Dmip, DmipHeader, Lifetime, MobilityOption, Mode, SessionType};

use crate::address;
use crate::cookies::Cookies;
use crate::mobile_node::{finish, options};
use crate::output::Output;
use crate::packet::{Way, wrap};
use crate::steering;
use crate::words::{Words, number};

pub fn message(words: &Words, now_ntp: u64, cookies: &Cookies) -> Vec<u8> {
    let kind = match words.kind() {
        "query" => DmipType::DhpQuery,
        "req" => DmipType::DhoaRequest,
        _ => DmipType::BindingUpdate,
    };
    let is_query = kind == DmipType::DhpQuery;
    let is_update = kind == DmipType::BindingUpdate;
    let header = DmipHeader {
        kind,
        sequence: words.number_or("seq", 1) as u16,
        lifetime: Lifetime(words.number_or("life", if is_query { 0 } else { 150 }) as u16),
        flags: flags(
            words
                .get("flags")
                .unwrap_or(if is_update { "A" } else { "" }),
        ),
        status: Status(0),
    };
    let mut builder = Builder::dmip(&CodePoints::default(), header);
    let correspondent = words.get("cn").unwrap_or("CN/128");
    if !is_update && correspondent != "none" {
        let (name, length) = correspondent.split_once('/').unwrap();
        builder = builder.option(&MobilityOption::Correspondent {
            prefix_len: number(length) as u8,
            address: address::read(name),
        });
    }
    for (key, value) in words.pairs() {
        builder = match key {
            "cookie" => builder.option(&MobilityOption::Cookie(&cookies.octets(value))),
            _ => own_option(builder, key, value),
        };
    }
    builder = options(builder, words, now_ntp);
    let way = Way::read(words, "COA", None);
    let care_of = words.address("alt").unwrap_or(way.source);
    let by = words
        .get("by")
        .unwrap_or(if is_query { "none" } else { "1" });
    let mh = finish(builder, words, by, [care_of, address::read("ANCHOR")]);
    wrap(way, mh, words)
}

fn flags(text: &str) -> u16 {
    if text.starts_with('0') {
        return number(text) as u16;
    }
    text.chars().fold(0, |flags, letter| {
        flags
            | match letter {
                'A' => dmip_flag::ACKNOWLEDGE,
                'D' => dmip_flag::DEDICATED,
                'R' => dmip_flag::REPLACE,
                _ => panic!("what is {letter}?"),
            }
    })
}

/// An option that DMIPv6 messages alone have here.
fn own_option(mut builder: Builder, key: &str, value: &str) -> Builder {
    match key {
        "list" => {
            for dhoa in value.split(',') {
                builder = builder.option(&listed(dhoa));
            }
            builder
        }
        "alt" => builder.option(&MobilityOption::AlternateCareOf(address::read(value))),
        "mode" => {
            let (fid, mode) = value.split_once(':').unwrap();
            builder.option(&MobilityOption::CommunicationMode {
                mode: match mode {
                    "0" => Mode::Proxy,
                    _ => Mode::RouteOptimized,
                },
                fid: number(fid) as u16,
            })
        }
        "needs" => {
            let needs: Vec<u64> = value.split(',').map(number).collect();
            builder.option(&MobilityOption::FlowRequirements {
                session: SessionType::SessionLasting,
                dscp: 0,
                min_bandwidth_kbps: needs[0] as u32,
                max_latency_ms: needs[1] as u16,
                max_loss_permille: needs[2] as u16,
            })
        }
        "pad" => builder.padding(number(value) as usize),
        _ => builder,
    }
}

fn listed(text: &str) -> MobilityOption<'static> {
    let (text, lifetime) = text.split_once('/').unwrap_or((text, "0"));
    let (name, fid) = text.split_once('.').unwrap_or((text, "0"));
    MobilityOption::Dhoa {
        status: Status(0),
        fid: number(fid) as u16,
        address: address::read(name),
        lifetime: Lifetime(number(lifetime) as u16),
    }
}

/// What an answer says.
pub fn read(dmip: &Dmip<'_>) -> Output {
    let kind = match dmip.header.kind {
        DmipType::DhpQueryReply => "reply",
        DmipType::DhoaResponse => "resp",
        DmipType::BindingConfirmation => "conf",
        other => panic!("an anchor sends no {other:?}"),
    };
    let flags = match dmip.header.flags {
        0 => "none".to_owned(),
        dmip_flag::ROUTE_OPTIMIZATION => "O".to_owned(),
        other => format!("{other:#x}"),
    };
    let mut output = Output::new(kind)
        .with("status", dmip.header.status.0)
        .with("seq", dmip.header.sequence)
        .with("life", dmip.header.lifetime.0)
        .with("flags", flags);
    let mut lists: Vec<(&'static str, String)> = Vec::new();
    for option in &dmip.options {
        let option = option.expect("a sound option");
        match option {
            MobilityOption::Dhoa {
                status,
                fid,
                address,
                lifetime,
            } => {
                let fid = match fid {
                    0 => String::new(),
                    fid => format!(".{fid}"),
                };
                let name = address::name(address);
                lists.push(("list", format!("{name}{fid}:{}/{}", status.0, lifetime.0)));
            }
            MobilityOption::DhpInformation {
                load,
                prefix_len,
                address,
                ..
            } => lists.push((
                "dhps",
                format!("{}/{prefix_len}:{load}", address::name(address)),
            )),
            MobilityOption::CommunicationMode { mode, fid } => {
                lists.push(("modes", format!("{fid}:{}", mode as u8)));
            }
            MobilityOption::Cookie(cookie) => {
                let digits = cookie.iter().map(|octet| format!("{octet:02x}"));
                output = output.with("cookie", digits.collect::<String>());
            }
            MobilityOption::MesgId(timestamp) => {
                output = output.with("mesgid", format!("{timestamp:#x}"));
            }
            MobilityOption::Auth(auth) => {
                assert!(auth.ends_header);
                output = output.with("auth", auth.spi);
            }
            other => {
                let (bid, flow) = steering::answer(&other);
                let bid = bid.map(|bid| ("bids", bid));
                let flow = flow.map(|flow| ("flows", flow));
                lists.push(
                    bid.or(flow)
                        .unwrap_or_else(|| panic!("unexpected {other:?}")),
                );
            }
        }
    }
    for key in ["list", "dhps", "modes", "bids", "flows"] {
        let of_key = lists.iter().filter(|(of, _)| *of == key);
        let values: Vec<&str> = of_key.map(|(_, value)| value.as_str()).collect();
        if !values.is_empty() {
            output = output.with(key, values.join(","));
        }
    }
    output
}
