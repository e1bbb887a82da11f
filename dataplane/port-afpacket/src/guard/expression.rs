//! The few nftables expressions that the guard's rules are made of (`linux/netfilter/nf_tables.h`)

use libc::{
    NF_ACCEPT, NF_DROP, NFT_CMP_EQ, NFT_CMP_NEQ, NFT_META_PROTOCOL, NFT_PAYLOAD_NETWORK_HEADER,
    NFT_REG_1, NFT_REG_VERDICT,
};

use super::message::Attributes;

const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const FIB_RESULT_ADDRESS_TYPE: u32 = 3;
const FIB_DESTINATION: u32 = 1 << 1;

/// A test of the packet, or what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// `meta protocol != ip6`
    NotIpv6,
    /// The octet at this offset of the IPv6 packet has this value.
    Octet { offset: u32, value: u8 },
    /// The two octets at this offset have this value under this mask.
    Masked { offset: u32, mask: u16, value: u16 },
    /// `fib daddr type local`, or `!=` it.
    DestinationIsLocal(bool),
    /// Let the kernel have it.
    Accept,
    /// Keep it from the kernel.
    Drop,
}

impl Expression {
    /// Write it as one or several elements of a rule's list of expressions.
    pub(super) fn write(self, list: &mut Attributes<'_>) {
        match self {
            Self::NotIpv6 => {
                expression(list, "meta", |data| {
                    data.put_u32(1, NFT_REG_1 as u32);
                    data.put_u32(2, NFT_META_PROTOCOL as u32);
                });
                compare(list, NFT_CMP_NEQ, &(libc::ETH_P_IPV6 as u16).to_be_bytes());
            }
            Self::Octet { offset, value } => {
                load_payload(list, offset, 1);
                compare(list, NFT_CMP_EQ, &[value]);
            }
            Self::Masked {
                offset,
                mask,
                value,
            } => {
                load_payload(list, offset, 2);
                expression(list, "bitwise", |data| {
                    data.put_u32(1, NFT_REG_1 as u32);
                    data.put_u32(2, NFT_REG_1 as u32);
                    data.put_u32(3, 2);
                    data.nest(4, |value| value.put(DATA_VALUE, &mask.to_be_bytes()));
                    data.nest(5, |value| value.put(DATA_VALUE, &[0; 2]));
                });
                compare(list, NFT_CMP_EQ, &value.to_be_bytes());
            }
            Self::DestinationIsLocal(local) => {
                expression(list, "fib", |data| {
                    data.put_u32(1, NFT_REG_1 as u32);
                    data.put_u32(2, FIB_RESULT_ADDRESS_TYPE);
                    data.put_u32(3, FIB_DESTINATION);
                });
                let operator = if local { NFT_CMP_EQ } else { NFT_CMP_NEQ };
                // The register holds the type in host order.
                compare(list, operator, &u32::from(libc::RTN_LOCAL).to_ne_bytes());
            }
            Self::Accept => verdict(list, NF_ACCEPT),
            Self::Drop => verdict(list, NF_DROP),
        }
    }
}

fn load_payload(list: &mut Attributes<'_>, offset: u32, octets: u32) {
    expression(list, "payload", |data| {
        data.put_u32(1, NFT_REG_1 as u32);
        data.put_u32(2, NFT_PAYLOAD_NETWORK_HEADER as u32);
        data.put_u32(3, offset);
        data.put_u32(4, octets);
    });
}

fn compare(list: &mut Attributes<'_>, operator: libc::c_int, value: &[u8]) {
    expression(list, "cmp", |data| {
        data.put_u32(1, NFT_REG_1 as u32);
        data.put_u32(2, operator.cast_unsigned());
        data.nest(3, |data| data.put(DATA_VALUE, value));
    });
}

fn verdict(list: &mut Attributes<'_>, verdict: libc::c_int) {
    expression(list, "immediate", |data| {
        data.put_u32(1, NFT_REG_VERDICT as u32);
        data.nest(2, |data| {
            data.nest(DATA_VERDICT, |code| {
                code.put_u32(1, verdict.cast_unsigned())
            })
        });
    });
}

fn expression(list: &mut Attributes<'_>, name: &str, data: impl FnOnce(&mut Attributes<'_>)) {
    list.nest(LIST_ELEMENT, |expression| {
        expression.put_text(EXPRESSION_NAME, name);
        expression.nest(EXPRESSION_DATA, data);
    });
}
