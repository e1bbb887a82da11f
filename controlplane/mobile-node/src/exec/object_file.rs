//! Object files of BPF programs, as a compiler would have made them.

use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

/// One instruction: opcode, destination and source register, offset, immediate (RFC 9669 §3).
pub(super) fn instruction(opcode: u8, registers: u8, offset: i16, immediate: u32) -> [u8; 8] {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = immediate.to_le_bytes();
    [opcode, registers, low, high, a, b, c, d]
}

/// The file of one program; the section tells the loader its type.
pub(super) fn object_file(
    name: &str,
    section: &str,
    program: &[[u8; 8]],
) -> anyhow::Result<Vec<u8>> {
    let program = program.concat();
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let text = object.add_section(Vec::new(), section.into(), SectionKind::Text);
    let offset = object.append_section_data(text, &program, 8);
    object.add_symbol(Symbol {
        name: name.into(),
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
