//! Rust declarations of what the ports use, and C wrappers for its inline functions

use std::env;
use std::path::{Path, PathBuf};

use crate::library::Library;

/// Everything that is bound, and nothing else.
const FUNCTIONS: &[&str] = &[
    "rte_eal_(init|cleanup|get_runtime_dir)",
    "rte_version",
    "rte_get_tsc_hz",
    "rte_strerror",
    "rte_thread_(register|unregister)",
    "rte_dev_(probe|remove)",
    "rte_pktmbuf_(pool_create|alloc|free|free_bulk|linearize)",
    "rte_mempool_(free|avail_count|in_use_count)",
    "rte_eth_dev_(configure|start|stop|close|info_get|get_mtu|adjust_nb_rx_tx_desc|get_port_by_name|get_name_by_port|socket_id)",
    "rte_eth_(rx_queue_setup|tx_queue_setup|rx_burst|tx_burst|macaddr_get|promiscuous_enable|allmulticast_enable)",
    "rte_eth_(link_get_nowait|link_to_str|stats_get|xstats_get|xstats_get_names|iterator_init|iterator_next|iterator_cleanup)",
    "dhp_.*",
];
const VARIABLES: &[&str] = &["DHP_.*", "RTE_MAX_LCORE"];
/// Structures that are only ever pointed to. The fields of an mbuf are reached by the offsets in `wrapper.h`, since their
/// names in the bindings depend on how many anonymous unions there are; others do not fit into Rust at all.
const OPAQUE: &[&str] = &["rte_mbuf", "rte_mempool", "rte_device", "rte_arp_ipv4"];

/// Write `bindings.rs` and compile its wrappers.
pub fn generate(library: &Library) -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?);
    let wrappers = out.join("wrappers.c");
    let mut builder = bindgen::Builder::default()
        .header("src/wrapper.h")
        .clang_args(&library.compiler_flags)
        .wrap_static_fns(true)
        .wrap_static_fns_path(&wrappers)
        .derive_debug(false)
        .layout_tests(false)
        .generate_comments(false)
        .use_core()
        .rust_target(bindgen::RustTarget::stable(88, 0).map_err(|error| error.to_string())?)
        .rust_edition(bindgen::RustEdition::Edition2024);
    for function in FUNCTIONS {
        builder = builder.allowlist_function(function);
    }
    for variable in VARIABLES {
        builder = builder.allowlist_var(variable);
    }
    for structure in OPAQUE {
        builder = builder.opaque_type(structure);
    }
    builder
        .generate()
        .map_err(|error| {
            format!(
                "feature `dpdk`: the headers of libdpdk cannot be read ({error}); remedy: apt install libclang-dev"
            )
        })?
        .write_to_file(out.join("bindings.rs"))
        .map_err(|error| format!("write bindings.rs: {error}"))?;
    compile(&wrappers, &library.compiler_flags)
}

fn compile(wrappers: &Path, flags: &[String]) -> Result<(), String> {
    let mut compiler = cc::Build::new();
    let directory = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets no CARGO_MANIFEST_DIR")?;
    compiler
        .file(wrappers)
        .include(directory)
        .opt_level(3)
        .warnings(false);
    for flag in flags {
        compiler.flag(flag);
    }
    compiler
        .try_compile("dhp_dpdk_wrappers")
        .map_err(|error| format!("feature `dpdk`: the C wrappers do not compile: {error}"))
}
