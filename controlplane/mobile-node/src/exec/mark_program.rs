//! The BPF program that marks sockets: four instructions, in an object file as a compiler would have made it.

use std::fs::File;

use anyhow::Context;
use aya::Ebpf;
use aya::programs::{CgroupAttachMode, CgroupSock};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

/// What the kernel and the loader know it by.
const NAME: &str = "mark_socket";
/// Where `mark` is in `struct bpf_sock` (linux/bpf.h).
const MARK_OFFSET: i16 = 16;

/// Has all sockets that are made in a control group marked, until what is returned is dropped.
pub(super) fn attach(group: &File, mark: u32) -> anyhow::Result<Ebpf> {
    let mut bpf = Ebpf::load(&object_file(mark)?)?;
    let program = bpf.program_mut(NAME).context("the program is there")?;
    let program: &mut CgroupSock = program.try_into()?;
    program.load()?;
    // A link, which takes no flags: programs of the groups above, such as those of `ip vrf exec`, run too.
    program.attach(group, CgroupAttachMode::Single)?;
    Ok(bpf)
}

/// One instruction: opcode, destination and source register, offset, immediate (RFC 9669 §3).
fn instruction(opcode: u8, registers: u8, offset: i16, immediate: u32) -> [u8; 8] {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = immediate.to_le_bytes();
    [opcode, registers, low, high, a, b, c, d]
}

fn object_file(mark: u32) -> anyhow::Result<Vec<u8>> {
    let program = [
        // w2 = mark
        instruction(0xb4, 0x02, 0, mark),
        // *(u32 *)(r1 + 16) = w2: r1 is the socket that is being made
        instruction(0x63, 0x21, MARK_OFFSET, 0),
        // w0 = 1: it may be made
        instruction(0xb4, 0x00, 0, 1),
        // exit
        instruction(0x95, 0x00, 0, 0),
    ]
    .concat();
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let text = object.add_section(
        Vec::new(),
        b"cgroup/sock_create".to_vec(),
        SectionKind::Text,
    );
    let offset = object.append_section_data(text, &program, 8);
    object.add_symbol(Symbol {
        name: NAME.as_bytes().to_vec(),
        value: offset,
        size: u64::try_from(program.len())?,
        kind: SymbolKind::Text,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Section(text),
        flags: SymbolFlags::None,
    });
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, b"Apache-2.0\0", 1);
    Ok(object.write()?)
}
