//! The BPF program that marks sockets which prefer a kind of source address (RFC 5014), when they say so.
//!
//! Linux looks at IPV6_ADDR_PREFERENCES only where the route has no preferred source, and at IPV6_PREFER_SRC_COA (rule 4 of RFC 6724
//! §5) only where it was built with CONFIG_IPV6_MIP6=y as well. A mark is there before the socket is connected, whatever the kernel,
//! and its rules choose the source by it.

use std::fs::File;

use anyhow::Context;
use aya::Ebpf;
use aya::programs::{CgroupAttachMode, CgroupSockopt};
use nix::libc::{IPPROTO_IPV6, SO_MARK, SOL_SOCKET};

use super::mark_program::MARK_OFFSET;
use super::object_file::{instruction, object_file};
use super::{FIRST_MARK, marking};

/// The marks of sockets that prefer care-of addresses and home addresses; those before them are of session types.
pub const PREFERS_CARE_OF: u32 = FIRST_MARK + 4;
pub const PREFERS_HOME: u32 = FIRST_MARK + 5;

/// What the kernel and the loader know it by.
const NAME: &str = "mark_preference";

/// IPV6_ADDR_PREFERENCES and its flags (linux/in6.h).
const ADDR_PREFERENCES: u32 = 72;
const PREFER_SRC_COA: u32 = 0x0004;
const PREFER_SRC_HOME: u32 = 0x0400;

/// Where things are in `struct bpf_sockopt` (linux/bpf.h).
const SOCKET: i16 = 0;
const VALUE: i16 = 8;
const VALUE_END: i16 = 16;
const LEVEL: i16 = 24;
const NAME_OF_OPTION: i16 = 28;
const LENGTH: i16 = 32;

/// Options up to this length reach the program whole; the kernel takes longer ones from their sender if the program says so.
const WHOLE: u32 = 4096;

/// The helper functions of linux/bpf.h.
const BPF_SETSOCKOPT: u32 = 49;

/// Has sockets of all programs of a control group marked by what they prefer, until what is returned is dropped.
pub(super) fn attach(group: &File) -> anyhow::Result<Ebpf> {
    let mut bpf = Ebpf::load(&object_file(NAME, "cgroup/setsockopt", &program()?)?)?;
    let program = bpf.program_mut(NAME).context("the program is there")?;
    let program: &mut CgroupSockopt = program.try_into()?;
    program.load()?;
    program.attach(group, CgroupAttachMode::Single)?;
    Ok(bpf)
}

/// Registers: r6 is what is being set, r7 the preferences, r8 the socket.
fn program() -> anyhow::Result<Vec<[u8; 8]>> {
    // w0 = 1, exit: the kernel sets the option. What comes before jumps there.
    let allow = [instruction(0xb4, 0x00, 0, 1), instruction(0x95, 0x00, 0, 0)];
    let set_mark = [
        // *(u32 *)(r10 - 4) = w3
        instruction(0x63, 0x3a, -4, 0),
        // bpf_setsockopt(r8, SOL_SOCKET, SO_MARK, r10 - 4, 4)
        instruction(0xbf, 0x81, 0, 0),
        instruction(0xb4, 0x02, 0, u32::try_from(SOL_SOCKET)?),
        instruction(0xb4, 0x03, 0, u32::try_from(SO_MARK)?),
        instruction(0xbf, 0xa4, 0, 0),
        instruction(0x07, 0x04, 0, 4_u32.wrapping_neg()),
        instruction(0xb4, 0x05, 0, 4),
        instruction(0x85, 0x00, 0, BPF_SETSOCKOPT),
    ];
    let beyond = |instructions: usize| i16::try_from(instructions + set_mark.len());
    let choose = [
        // w7 &= flags; neither of them, or both, which the kernel refuses: goto allow
        instruction(0x54, 0x07, 0, PREFER_SRC_COA | PREFER_SRC_HOME),
        instruction(0xb4, 0x03, 0, PREFERS_CARE_OF),
        instruction(0x16, 0x07, 2, PREFER_SRC_COA),
        instruction(0xb4, 0x03, 0, PREFERS_HOME),
        instruction(0x56, 0x07, beyond(0)?, PREFER_SRC_HOME),
    ];
    let beyond = |instructions: usize| i16::try_from(instructions + choose.len() + set_mark.len());
    let look_at_mark = [
        // r8 = the socket, w2 = its mark
        instruction(0x79, 0x68, SOCKET, 0),
        instruction(0x61, 0x82, MARK_OFFSET, 0),
        // One that is not of dhp-mn is left alone.
        instruction(0x16, 0x02, 3, 0),
        instruction(0x74, 0x02, 0, 16),
        instruction(0x16, 0x02, 1, FIRST_MARK >> 16),
        instruction(0x56, 0x02, beyond(0)?, marking::MARKS >> 16),
    ];
    let rest = look_at_mark.len() + choose.len() + set_mark.len();
    let beyond = |instructions: usize| i16::try_from(instructions + rest);
    let look_at_option = [
        // r6 = r1
        instruction(0xbf, 0x16, 0, 0),
        // if w2 = the length > WHOLE: the length = 0
        instruction(0x61, 0x62, LENGTH, 0),
        instruction(0xb6, 0x02, 2, WHOLE),
        instruction(0xb4, 0x02, 0, 0),
        instruction(0x63, 0x26, LENGTH, 0),
        // Not IPV6_ADDR_PREFERENCES: goto allow
        instruction(0x61, 0x62, LEVEL, 0),
        instruction(0x56, 0x02, beyond(8)?, u32::try_from(IPPROTO_IPV6)?),
        instruction(0x61, 0x62, NAME_OF_OPTION, 0),
        instruction(0x56, 0x02, beyond(6)?, ADDR_PREFERENCES),
        // Shorter than the flags: goto allow
        instruction(0x79, 0x62, VALUE, 0),
        instruction(0x79, 0x63, VALUE_END, 0),
        instruction(0xbf, 0x24, 0, 0),
        instruction(0x07, 0x04, 0, 4),
        instruction(0x2d, 0x34, beyond(1)?, 0),
        // w7 = the flags
        instruction(0x61, 0x27, 0, 0),
    ];
    Ok([
        &look_at_option[..],
        &look_at_mark,
        &choose,
        &set_mark,
        &allow,
    ]
    .concat())
}
