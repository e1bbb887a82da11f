//! Kernel parameters that are changed while the agent runs, and restored afterwards, also after a crash.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const ROOT: &str = "/proc/sys/net/ipv6/conf";

/// Changed parameters with the values that they had. They also stand in a file, for the next start if this one does not
/// come to restore them.
#[derive(Debug)]
pub struct Sysctls {
    saved: BTreeMap<PathBuf, String>,
    file: PathBuf,
}

impl Sysctls {
    /// Restores what an agent which was killed has noted in `file`.
    ///
    /// # Errors
    /// The file cannot be read or removed.
    pub fn new(file: PathBuf) -> io::Result<Self> {
        let saved = match std::fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let mut sysctls = Self { saved, file };
        sysctls.restore();
        Ok(sysctls)
    }

    /// Sets a parameter of an interface. One that this kernel does not have is passed over.
    ///
    /// # Errors
    /// It cannot be written, or the old value not be noted.
    pub fn set(&mut self, interface: &str, parameter: &str, value: &str) -> io::Result<()> {
        let path = Path::new(ROOT).join(interface).join(parameter);
        let old = match std::fs::read_to_string(&path) {
            Ok(old) => old.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if old == value {
            return Ok(());
        }
        self.saved.entry(path.clone()).or_insert(old);
        std::fs::write(&self.file, serde_json::to_vec(&self.saved)?)?;
        std::fs::write(path, value)
    }

    /// Gives all parameters their old values.
    pub fn restore(&mut self) {
        for (path, value) in std::mem::take(&mut self.saved) {
            // The file names what to write where: nothing else than interface parameters.
            let known =
                path.starts_with(ROOT) && !path.components().any(|part| part.as_os_str() == "..");
            if known
                && path.exists()
                && let Err(error) = std::fs::write(&path, value)
            {
                tracing::warn!(%error, "cannot restore {}", path.display());
            }
        }
        // Not there: nothing was changed.
        let _ = std::fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_agent_has_noted_is_only_ever_written_to_interface_parameters() {
        let directory = tempfile::tempdir().expect("a directory");
        let victim = directory.path().join("victim");
        std::fs::write(&victim, "untouched").expect("written");
        let escape = format!("{ROOT}/../../../../..{}", victim.display());
        let note =
            serde_json::json!({ victim.to_str().expect("text"): "changed", escape: "changed" });
        let file = directory.path().join("state");
        std::fs::write(&file, note.to_string()).expect("written");
        Sysctls::new(file.clone()).expect("restored");
        assert_eq!(std::fs::read_to_string(victim).expect("read"), "untouched");
        assert!(!file.exists());
    }

    #[test]
    fn a_parameter_that_is_not_there_is_passed_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("state");
        let mut sysctls = Sysctls::new(file.clone()).expect("nothing to restore");
        sysctls
            .set("lo", "no_such_parameter", "1")
            .expect("passed over");
        assert!(!file.exists());
    }
}
