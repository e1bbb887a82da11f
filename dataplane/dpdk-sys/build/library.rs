//! The system's libdpdk, by pkg-config

use std::env;
use std::process::Command;

/// Debian 12 and Ubuntu 23.04 have it; before, `rte_mbuf` and `rte_eth_conf` look otherwise.
const OLDEST: &str = "22.11";

/// An installed libdpdk.
pub struct Library {
    found: pkg_config::Library,
    /// What its headers must be compiled with: `-include rte_config.h` and the instruction set are among it.
    pub compiler_flags: Vec<String>,
}

impl Library {
    /// Find it, or say what to do.
    pub fn find() -> Result<Self, String> {
        let found = pkg_config::Config::new()
            .atleast_version(OLDEST)
            .cargo_metadata(false)
            .probe("libdpdk")
            .map_err(|error| missing(&error))?;
        Ok(Self {
            found,
            compiler_flags: compiler_flags()?,
        })
    }

    /// Link the shared libraries. Drivers are plugins, which EAL finds for itself.
    #[cfg(not(feature = "static"))]
    pub fn link(&self) {
        for path in &self.found.link_paths {
            println!("cargo::rustc-link-search=native={}", path.display());
        }
        for library in &self.found.libs {
            println!("cargo::rustc-link-lib=dylib={library}");
        }
    }

    /// Link the archives.
    #[cfg(feature = "static")]
    pub fn link(&self) -> Result<(), String> {
        let directory = pkg_config::get_variable("libdpdk", "libdir")
            .map_err(|error| format!("feature `static`: libdpdk.pc tells no libdir: {error}"))?;
        crate::static_link::link(std::path::Path::new(&directory))
    }
}

fn missing(error: &pkg_config::Error) -> String {
    let reason = match error {
        pkg_config::Error::Command { .. } => "there is no pkg-config",
        _ => "pkg-config knows none",
    };
    format!(
        "feature `dpdk` needs libdpdk {OLDEST} or newer, and {reason}; remedy: apt install libdpdk-dev libclang-dev pkg-config, or \
         PKG_CONFIG_PATH for a DPDK built by hand, or no feature `dpdk`"
    )
}

/// As pkg-config prints them; the crate `pkg-config` leaves out those that are no paths, definitions or libraries.
fn compiler_flags() -> Result<Vec<String>, String> {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(program)
        .args(["--cflags", "libdpdk"])
        .output()
        .map_err(|error| format!("pkg-config --cflags libdpdk: {error}"))?;
    if !output.status.success() {
        return Err(format!("pkg-config --cflags libdpdk: {}", output.status));
    }
    let flags = String::from_utf8_lossy(&output.stdout);
    Ok(flags.split_whitespace().map(str::to_owned).collect())
}
