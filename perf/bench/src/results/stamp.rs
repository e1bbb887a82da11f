//! On what, and of what, a result is

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// Hardware, kernel and commit of a run. What cannot be told is empty.
#[derive(Debug, Serialize)]
pub struct Stamp {
    /// When, in UTC (RFC 3339).
    date: String,
    /// Of the tree in which the program was started.
    commit: String,
    /// Something in the tree is not as committed.
    dirty: bool,
    rustc: &'static str,
    dpdk: Option<String>,
    cpu: String,
    cores: usize,
    /// Such as `L2 1024K`, of the first core.
    caches: Vec<String>,
    memory_mib: u64,
    numa_nodes: usize,
    kernel: String,
    /// The virtual machine's maker and product, where this is one.
    hypervisor: Option<String>,
    hugepages: String,
    transparent_hugepages: String,
    /// The frequency governor of the first core.
    governor: String,
    /// Cores that the scheduler leaves alone.
    isolated: String,
}

impl Stamp {
    /// Of this machine, now. `dpdk` is its version, where it is used.
    pub fn take(dpdk: Option<String>) -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let meminfo = read("/proc/meminfo");
        let flags = field(&cpuinfo, "flags").unwrap_or_default();
        let is_virtual = flags.split_whitespace().any(|flag| flag == "hypervisor");
        Self {
            date: output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            commit: output("git", &["rev-parse", "HEAD"]),
            dirty: !output("git", &["status", "--porcelain"]).is_empty(),
            rustc: env!("DHP_RUSTC"),
            dpdk,
            cpu: field(&cpuinfo, "model name").unwrap_or_default().to_owned(),
            cores: cpuinfo
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            caches: caches(),
            memory_mib: number(&meminfo, "MemTotal") / 1024,
            numa_nodes: (0..256)
                .take_while(|node| {
                    Path::new(&format!("/sys/devices/system/node/node{node}")).exists()
                })
                .count(),
            kernel: read("/proc/sys/kernel/osrelease"),
            hypervisor: is_virtual.then(hypervisor),
            hugepages: format!(
                "{} of {} KiB",
                number(&meminfo, "HugePages_Total"),
                number(&meminfo, "Hugepagesize")
            ),
            transparent_hugepages: read("/sys/kernel/mm/transparent_hugepage/enabled"),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            isolated: read("/sys/devices/system/cpu/isolated"),
        }
    }

    /// For the small print of a drawing.
    pub fn line(&self) -> String {
        let commit = self.commit.get(..9).unwrap_or(&self.commit);
        let dirty = if self.dirty { " and changes" } else { "" };
        let mut parts = vec![
            self.date.clone(),
            format!("{commit}{dirty}"),
            format!("{}, {} cores", self.cpu, self.cores),
            format!("Linux {}", self.kernel),
        ];
        parts.extend(self.hypervisor.clone());
        parts.extend(self.dpdk.clone());
        parts.join(" · ")
    }
}

fn hypervisor() -> String {
    let part = |name: &str| read(&format!("/sys/class/dmi/id/{name}"));
    let text = format!("{} {}", part("sys_vendor"), part("product_name"));
    match text.trim() {
        "" => "a virtual machine".to_owned(),
        text => text.to_owned(),
    }
}

fn caches() -> Vec<String> {
    let of = |index: u32, name: &str| {
        read(&format!(
            "/sys/devices/system/cpu/cpu0/cache/index{index}/{name}"
        ))
    };
    (0..8)
        .map(|index| (of(index, "level"), of(index, "type"), of(index, "size")))
        .take_while(|(level, _, _)| !level.is_empty())
        .map(|(level, kind, size)| match kind.as_str() {
            "Data" => format!("L{level}d {size}"),
            "Instruction" => format!("L{level}i {size}"),
            _ => format!("L{level} {size}"),
        })
        .collect()
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

/// What the program says, if it is there and content.
fn output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => String::new(),
    }
}

/// The value behind `name:`, the first of them.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// The number behind `name:`; 0 if there is none.
fn number(text: &str, name: &str) -> u64 {
    field(text, name)
        .and_then(|value| value.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_as_the_kernel_writes_them() {
        let text = "processor\t: 0\nmodel name\t: EPYC\nMemTotal:       24000 kB\n";
        assert_eq!(field(text, "model name"), Some("EPYC"));
        assert_eq!(number(text, "MemTotal"), 24_000);
        assert_eq!(number(text, "HugePages_Total"), 0);
    }

    #[test]
    fn a_stamp_tells_the_machine_and_the_compiler() {
        let stamp = Stamp::take(None);
        assert!(stamp.rustc.starts_with("rustc "), "{}", stamp.rustc);
        assert!(stamp.cores > 0);
        assert!(!stamp.kernel.is_empty());
        assert!(stamp.line().contains(&stamp.kernel));
    }
}
