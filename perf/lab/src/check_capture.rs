//! `dhp-lab check-capture`: what an independent decoder, tshark, makes of the signalling.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// RFC 6275 §6.1.7 and §6.1.8.
const BINDING_UPDATE: u8 = 5;
const BINDING_ACKNOWLEDGEMENT: u8 = 6;
/// RFC 5096, the experimental MH type that DMIPv6 messages use by default.
const EXPERIMENTAL: u8 = 11;

/// What tshark found in one or more captures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// All packets.
    pub packets: usize,
    /// Frames that tshark calls malformed: file and frame number.
    pub malformed: Vec<String>,
    /// Packets without a Mobility Header that tshark knows.
    pub without_mobility: Vec<String>,
    /// RFC 6275 Binding Updates.
    pub binding_updates: usize,
    /// RFC 6275 Binding Acknowledgements.
    pub binding_acknowledgements: usize,
    /// Experimental Mobility Headers: DMIPv6.
    pub experimental: usize,
}

/// Decodes the captures, prints what was found, and fails if anything is wrong.
pub fn run(files: &[impl AsRef<Path>]) -> Result<()> {
    let mut findings = Findings::default();
    for path in files {
        for file in captures(path.as_ref())? {
            decode(&file, &mut findings)?;
        }
    }
    println!(
        "{} packets: {} RFC 6275 Binding Updates, {} Binding Acknowledgements, {} DMIPv6 (experimental Mobility Header)",
        findings.packets,
        findings.binding_updates,
        findings.binding_acknowledgements,
        findings.experimental
    );
    findings.judge()
}

impl Findings {
    /// An error that names what is wrong.
    fn judge(&self) -> Result<()> {
        let list = |what: &str, frames: &[String]| {
            (!frames.is_empty()).then(|| format!("{what}: {}", frames.join(", ")))
        };
        let missing =
            |what: &str, count: usize| (count == 0).then(|| format!("no {what} in the captures"));
        let wrong: Vec<String> = [
            list("malformed", &self.malformed),
            list("no Mobility Header", &self.without_mobility),
            missing("Binding Update", self.binding_updates),
            missing("Binding Acknowledgement", self.binding_acknowledgements),
            missing("DMIPv6 message", self.experimental),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !wrong.is_empty() {
            bail!("{}", wrong.join("; "));
        }
        println!("nothing malformed");
        Ok(())
    }

    fn add(&mut self, file: &str, line: &str) {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default().trim();
        let (number, malformed, mh_type) = (next(), next(), next());
        let frame = format!("{file} frame {number}");
        self.packets += 1;
        if !malformed.is_empty() {
            self.malformed.push(frame.clone());
        }
        match mh_type.parse::<u8>() {
            Ok(BINDING_UPDATE) => self.binding_updates += 1,
            Ok(BINDING_ACKNOWLEDGEMENT) => self.binding_acknowledgements += 1,
            Ok(EXPERIMENTAL) => self.experimental += 1,
            Ok(_) => {}
            Err(_) => self.without_mobility.push(frame),
        }
    }
}

/// The file itself, or the captures in a directory.
fn captures(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path
        .read_dir()
        .with_context(|| format!("cannot read {}", path.display()))?
    {
        let file = entry?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "pcap")
        {
            files.push(file);
        }
    }
    if files.is_empty() {
        bail!("there is no .pcap in {}", path.display());
    }
    files.sort();
    Ok(files)
}

fn decode(file: &Path, findings: &mut Findings) -> Result<()> {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(file)
        .args([
            "-n",
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "_ws.malformed",
            "-e",
            "mip6.mhtype",
        ])
        .output()
        .context("cannot run tshark (apt install tshark)")?;
    if !output.status.success() {
        bail!(
            "tshark cannot read {}: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let name = file
        .file_name()
        .unwrap_or(file.as_os_str())
        .to_string_lossy();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .for_each(|line| findings.add(&name, line));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(lines: &[&str]) -> Findings {
        let mut findings = Findings::default();
        lines.iter().for_each(|line| findings.add("x.pcap", line));
        findings
    }

    #[test]
    fn a_clean_capture_passes() {
        let clean = findings(&["1\t\t5", "2\t\t6", "3\t\t11"]);
        assert!(clean.judge().is_ok(), "{clean:?}");
    }

    #[test]
    fn each_fault_is_named_with_its_frame() {
        let fault = |line| {
            let lines = ["1\t\t5", "2\t\t6", "3\t\t11", line];
            findings(&lines).judge().map_err(|error| error.to_string())
        };
        assert_eq!(
            fault("4\tMalformed\t5"),
            Err("malformed: x.pcap frame 4".to_owned())
        );
        assert_eq!(
            fault("4\t\t"),
            Err("no Mobility Header: x.pcap frame 4".to_owned())
        );
        assert!(
            findings(&["1\t\t5"])
                .judge()
                .is_err_and(|error| error.to_string().contains("Acknowledgement"))
        );
    }
}
