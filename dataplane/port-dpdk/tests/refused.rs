//! DPDK that does not start
#![cfg(feature = "dpdk")]

use dhp_port_dpdk::Eal;

#[test]
fn a_wrong_option_is_refused_and_ends_what_a_process_can_try() {
    let options = ["--no-huge", "--in-memory"].map(str::to_owned);
    let refused = Eal::init(&options).expect_err("the options exclude each other");
    let text = refused.to_string();
    assert!(
        text.starts_with("DPDK: initialize: Invalid argument; remedy: "),
        "{text}"
    );
    assert!(text.contains("--no-shconf"), "{text}");
    let again = Eal::init(&options).expect_err("once");
    assert!(again.to_string().contains("possible once"), "{again}");
}
