//! The BPF program that marks sockets as they are made: a few instructions.

use std::fs::File;

use anyhow::Context;
use aya::Ebpf;
use aya::programs::{CgroupAttachMode, CgroupSock};

use super::object_file::{instruction, object_file};

/// What the kernel and the loader know it by.
const NAME: &str = "mark_socket";
/// Where `mark` is in `struct bpf_sock` (linux/bpf.h).
pub(super) const MARK_OFFSET: i16 = 16;

/// Has all sockets that are made in a control group marked, or those of threads with a name alone, until what is returned is
/// dropped.
pub(super) fn attach(group: &File, mark: u32, command: Option<&str>) -> anyhow::Result<Ebpf> {
    let program = program(mark, command)?;
    let mut bpf = Ebpf::load(&object_file(NAME, "cgroup/sock_create", &program)?)?;
    let program = bpf.program_mut(NAME).context("the program is there")?;
    let program: &mut CgroupSock = program.try_into()?;
    program.load()?;
    // A link, which takes no flags: programs of the groups above, such as those of `ip vrf exec`, run too.
    program.attach(group, CgroupAttachMode::Single)?;
    Ok(bpf)
}

/// What goes where in the registers' octet: destination in the low half, source in the high one.
const R1_IS_R10: u8 = 0xa1;

fn program(mark: u32, command: Option<&str>) -> anyhow::Result<Vec<[u8; 8]>> {
    // w0 = 1, exit: the socket may be made. What comes before jumps there.
    let allow = [instruction(0xb4, 0x00, 0, 1), instruction(0x95, 0x00, 0, 0)];
    let mark = [
        // w2 = mark
        instruction(0xb4, 0x02, 0, mark),
        // *(u32 *)(r6 + 16) = w2
        instruction(0x63, 0x26, MARK_OFFSET, 0),
    ];
    let named = command.map(comparison).transpose()?.unwrap_or_default();
    let beyond = i16::try_from(named.len() + mark.len())?;
    let first = [
        // r6 = r1: the socket that is being made
        instruction(0xbf, 0x16, 0, 0),
        // w2 = *(u32 *)(r1 + 16)
        instruction(0x61, 0x12, MARK_OFFSET, 0),
        // A mark that is there already is somebody's: that of an inner group.
        instruction(0x55, 0x02, beyond, 0),
    ];
    Ok([&first[..], &named, &mark, &allow].concat())
}

/// Goes on where the thread has the name, and over the two instructions behind this where not.
fn comparison(command: &str) -> anyhow::Result<Vec<[u8; 8]>> {
    let mut name = [0; 16];
    let octets = command.as_bytes();
    let room = name
        .get_mut(..octets.len())
        .context("a name of 15 octets")?;
    room.copy_from_slice(octets);
    let mut program = vec![
        // r1 = r10 - 16, w2 = 16, bpf_get_current_comm(r1, w2)
        instruction(0xbf, R1_IS_R10, 0, 0),
        instruction(0x07, 0x01, 0, 16_u32.wrapping_neg()),
        instruction(0xb4, 0x02, 0, 16),
        instruction(0x85, 0x00, 0, 16),
    ];
    for (place, half) in [(-16, 0..8), (-8, 8..16)] {
        let half = name.get(half).and_then(|half| half.first_chunk());
        let word = u64::from_ne_bytes(*half.context("half a name")?);
        let (low, high) = (word & u64::from(u32::MAX), word >> 32);
        // Of the eight instructions of both comparisons, those that come after the jump, and the two that mark.
        let beyond = if place == -16 { 4 + 2 } else { 2 };
        program.extend([
            // r2 = *(u64 *)(r10 + place)
            instruction(0x79, 0xa2, place, 0),
            // r3 = word
            instruction(0x18, 0x03, 0, u32::try_from(low)?),
            instruction(0x00, 0x00, 0, u32::try_from(high)?),
            // if r2 != r3 goto allow
            instruction(0x5d, 0x32, beyond, 0),
        ]);
    }
    Ok(program)
}
