//! Sockets of the programs that the policy names are marked as they are made, for the kernel's rules to find them.
//!
//! A mark is made of the program's name alone, so that agents in several network namespaces of a machine agree on it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::Context;
use aya::Ebpf;
use dhp_proto::mobile_node::policy::{Policy, Program};

use super::{cgroup, mark_program, preference_program};

/// The upper half of the marks of programs; those of `dhp-mn exec` have another.
pub(super) const MARKS: u32 = 0x4d4f_0000;

/// The mark of a program's sockets.
pub fn mark_of(program: &Program) -> u32 {
    let (kind, text) = match program {
        Program::Command(name) => (b'c', name),
        Program::ControlGroup(path) => (b'g', path),
    };
    // FNV-1a, folded to 16 bits.
    let octets = std::iter::once(kind).chain(text.bytes());
    let hash = octets.fold(0x811c_9dc5_u32, |hash, octet| {
        (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)
    });
    MARKS | (hash >> 16) ^ (hash & 0xffff)
}

/// A program of the kernel's, and the directory that it is attached to.
struct Attached {
    inode: u64,
    _program: Ebpf,
}

/// What becomes of the source addresses that sockets prefer.
enum Preferences {
    /// They count for nothing: that is how it is configured, or the kernel does not take the program.
    Ignored,
    /// They are to be followed.
    Wanted,
    /// Sockets are marked by them.
    Followed { _program: Ebpf },
}

/// What marks the sockets; it ends with this.
pub struct Marking {
    wanted: Vec<Program>,
    attached: BTreeMap<Program, Attached>,
    preferences: Preferences,
}

impl Marking {
    /// Nothing is marked before [`refresh`](Self::refresh).
    pub fn new(policy: &Policy, follow_preferences: bool) -> Self {
        let programs = policy.rules.iter();
        let mut wanted: Vec<Program> = programs
            .filter_map(|rule| rule.selector.program.clone())
            .collect();
        wanted.sort();
        wanted.dedup();
        Self {
            wanted,
            attached: BTreeMap::new(),
            preferences: match follow_preferences {
                true => Preferences::Wanted,
                false => Preferences::Ignored,
            },
        }
    }

    /// Marks where it is not done yet: control groups come and go.
    pub fn refresh(&mut self) {
        if let Preferences::Wanted = self.preferences {
            self.preferences = follow_preferences();
        }
        for program in &self.wanted {
            if let Err(error) = attach(program, &mut self.attached) {
                tracing::warn!("{program:?}: its sockets are not marked: {error:#}");
            }
        }
    }
}

fn follow_preferences() -> Preferences {
    let attached = cgroup::root().and_then(|root| {
        let root = File::open(&root).with_context(|| root.display().to_string())?;
        preference_program::attach(&root)
    });
    match attached {
        Ok(program) => Preferences::Followed { _program: program },
        Err(error) => {
            tracing::warn!("what sockets prefer (IPV6_ADDR_PREFERENCES) is ignored: {error:#}");
            Preferences::Ignored
        }
    }
}

fn attach(program: &Program, attached: &mut BTreeMap<Program, Attached>) -> anyhow::Result<()> {
    let root = cgroup::root()?;
    let (directory, command): (PathBuf, _) = match program {
        Program::Command(name) => (root, Some(name.as_str())),
        Program::ControlGroup(path) => (root.join(path), None),
    };
    let Ok(metadata) = fs::metadata(&directory) else {
        // It is not there, or not any more.
        attached.remove(program);
        return Ok(());
    };
    let inode = metadata.ino();
    if attached
        .get(program)
        .is_some_and(|known| known.inode == inode)
    {
        return Ok(());
    }
    let file = File::open(&directory).with_context(|| directory.display().to_string())?;
    let attachment = Attached {
        inode,
        _program: mark_program::attach(&file, mark_of(program), command)?,
    };
    attached.insert(program.clone(), attachment);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_marks_of_their_own() {
        let name = "ssh".to_owned();
        let command = mark_of(&Program::Command(name.clone()));
        assert_ne!(command, mark_of(&Program::ControlGroup(name)));
        assert_ne!(command, mark_of(&Program::Command("scp".to_owned())));
        assert_eq!(command & 0xffff_0000, MARKS);
    }
}
