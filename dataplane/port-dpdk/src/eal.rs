//! The environment abstraction layer: DPDK itself, once in a process

use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::error::{DpdkError, last_errno};

/// The name under which DPDK knows the program.
const PROGRAM: &CStr = c"dhpd";
const SUBJECT: &str = "DPDK";
const INITIALIZE: &str = "initialize";
/// DPDK can be initialized once: neither after its end again, nor after an attempt that failed, which leaves options behind.
static TRIED: AtomicBool = AtomicBool::new(false);

/// DPDK, initialized. A clone is another handle; with the last one, those of pools and devices included, DPDK ends.
#[derive(Clone, Debug)]
pub struct Eal {
    _running: Arc<Running>,
}

#[derive(Debug)]
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: DPDK is initialized, and whatever uses it holds a handle, so that nobody does any more.
        let code = unsafe { dpdk_sys::rte_eal_cleanup() };
        if code != 0 {
            let directory = runtime_directory();
            tracing::warn!(code, ?directory, "DPDK has not cleaned up behind itself");
        }
    }
}

impl Eal {
    /// Initialize DPDK with its options (`--no-huge`, `-m 512`, `-a 0000:03:00.0` …). Unless they choose cores, it gets one, the
    /// first that the calling thread may use, and does nothing there: workers are threads of their own. The calling
    /// thread keeps its affinity.
    ///
    /// # Errors
    /// This process has tried it before, an option is wrong, or there is not enough memory.
    pub fn init(options: &[String]) -> Result<Self, DpdkError> {
        let affinity = sched_getaffinity(Pid::from_raw(0))
            .map_err(|error| DpdkError::new(SUBJECT, "read the affinity", error.to_string()))?;
        let arguments = arguments(options, &affinity)?;
        if TRIED.swap(true, Ordering::AcqRel) {
            return Err(DpdkError::new(
                SUBJECT,
                INITIALIZE,
                "this process has tried it before, which is possible once",
            ));
        }
        let code = call_init(arguments);
        // DPDK pins the thread that initializes it; threads that it will start would inherit that.
        if let Err(error) = sched_setaffinity(Pid::from_raw(0), &affinity) {
            tracing::warn!(%error, "the thread that initialized DPDK stays on one core");
        }
        if code < 0 {
            let error = DpdkError::from_code(SUBJECT, INITIALIZE, last_errno());
            return Err(match remedy(options) {
                Some(remedy) => error.remedy(remedy),
                None => error,
            });
        }
        Ok(Self {
            _running: Arc::new(Running),
        })
    }

    /// Such as `DPDK 22.11.11`.
    pub fn version() -> String {
        // SAFETY: returns a terminated constant.
        let version = unsafe { CStr::from_ptr(dpdk_sys::rte_version()) };
        version.to_string_lossy().into_owned()
    }

    /// Ticks of the processor's time stamp counter in a second.
    pub fn tsc_hz(&self) -> u64 {
        // SAFETY: reads what DPDK has measured when it was initialized.
        unsafe { dpdk_sys::rte_get_tsc_hz() }
    }

    /// Where DPDK keeps what it shares with other processes. The directory stays when DPDK ends.
    pub fn runtime_directory(&self) -> PathBuf {
        runtime_directory()
    }

    /// Never end DPDK: something of it is still in use that nothing tells the end of.
    pub(crate) fn leak(&self) {
        std::mem::forget(self.clone());
    }
}

fn runtime_directory() -> PathBuf {
    // SAFETY: returns a terminated text that never changes.
    let directory = unsafe { CStr::from_ptr(dpdk_sys::rte_eal_get_runtime_dir()) };
    OsStr::from_bytes(directory.to_bytes()).into()
}

fn arguments(options: &[String], affinity: &CpuSet) -> Result<Vec<CString>, DpdkError> {
    let mut arguments = vec![PROGRAM.to_owned()];
    if !options.iter().any(|option| chooses_cores(option))
        && let Some(core) = (0..CpuSet::count()).find(|core| affinity.is_set(*core) == Ok(true))
    {
        arguments.extend([c"-l".to_owned(), decimal(core)]);
    }
    for option in options {
        let option = CString::new(option.as_str())
            .map_err(|_| DpdkError::new(SUBJECT, "read the options", "a zero octet in one"))?;
        arguments.push(option);
    }
    Ok(arguments)
}

fn chooses_cores(option: &str) -> bool {
    ["-l", "-c", "-s", "-S"]
        .iter()
        .any(|short| option.starts_with(short))
        || option.starts_with("--lcores")
}

fn decimal(number: usize) -> CString {
    // Digits have no zero octet.
    CString::new(number.to_string()).unwrap_or_default()
}

fn call_init(arguments: Vec<CString>) -> c_int {
    let mut pointers: Vec<*mut c_char> = arguments.into_iter().map(CString::into_raw).collect();
    let count = c_int::try_from(pointers.len()).unwrap_or(c_int::MAX);
    pointers.push(std::ptr::null_mut());
    // DPDK keeps some of the strings and of the list for as long as it lives, which is as long as the process may.
    let pointers = pointers.leak();
    // SAFETY: `pointers` are `count` terminated strings, which are never freed, and a null pointer, as `main` has them.
    unsafe { dpdk_sys::rte_eal_init(count, pointers.as_mut_ptr()) }
}

/// What is most likely wrong, by what the machine has and the options want.
fn remedy(options: &[String]) -> Option<String> {
    let has = |name: &str| options.iter().any(|option| option == name);
    if has("--no-huge") && has("--in-memory") {
        return Some(
            "--no-huge and --in-memory exclude each other; use --no-huge --no-shconf".to_owned(),
        );
    }
    if has("--no-huge") {
        return (!has("--no-shconf")).then(|| {
            "see what DPDK has written above; without the right to write to /run/dpdk add --no-shconf"
                .to_owned()
        });
    }
    (free_hugepages() == 0).then(|| {
        "this host has no free hugepages: sysctl -w vm.nr_hugepages=512 reserves 1 GB of them; a laboratory can do without, by \
         the options --no-huge --no-shconf -m 512"
            .to_owned()
    })
}

fn free_hugepages() -> u64 {
    // All sizes: /proc/meminfo tells of the default one only.
    let Ok(sizes) = std::fs::read_dir("/sys/kernel/mm/hugepages") else {
        return 0;
    };
    sizes
        .flatten()
        .filter_map(|size| std::fs::read_to_string(size.path().join("free_hugepages")).ok())
        .filter_map(|count| count.trim().parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_core_is_given_unless_the_options_choose_some() {
        let mut affinity = CpuSet::new();
        affinity.set(3).expect("a core");
        affinity.set(5).expect("a core");
        let with = |options: &[&str]| {
            let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
            let arguments = arguments(&options, &affinity).expect("no zero octets");
            arguments
                .into_iter()
                .map(|argument| argument.into_string().expect("UTF-8"))
                .collect::<Vec<_>>()
        };
        assert_eq!(with(&["--no-huge"]), ["dhpd", "-l", "3", "--no-huge"]);
        assert_eq!(with(&["-l0-1"]), ["dhpd", "-l0-1"]);
        assert_eq!(with(&["--lcores=7"]), ["dhpd", "--lcores=7"]);
    }

    #[test]
    fn exclusive_options_are_explained() {
        let options = ["--no-huge".to_owned(), "--in-memory".to_owned()];
        let remedy = remedy(&options).expect("a remedy");
        assert!(remedy.contains("--no-shconf"), "{remedy}");
    }
}
