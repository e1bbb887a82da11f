//! Finds libdpdk, makes the bindings and says how to link; does nothing without the feature `dpdk`
#![forbid(unsafe_code)]

#[cfg(feature = "dpdk")]
#[path = "build/bindings.rs"]
mod bindings;
#[cfg(feature = "dpdk")]
#[path = "build/library.rs"]
mod library;
#[cfg(feature = "static")]
#[path = "build/static_link.rs"]
mod static_link;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/wrapper.h");
    println!("cargo::rerun-if-env-changed=PKG_CONFIG_PATH");
    #[cfg(feature = "dpdk")]
    if let Err(problem) = build() {
        println!("cargo::error={problem}");
    }
}

#[cfg(feature = "dpdk")]
fn build() -> Result<(), String> {
    let library = library::Library::find()?;
    // The wrappers first: a linker looks for what they need in what follows.
    bindings::generate(&library)?;
    #[cfg(feature = "static")]
    library.link()?;
    #[cfg(not(feature = "static"))]
    library.link();
    Ok(())
}
