//! DPDK that does not start
#![cfg(feature = "dpdk")]

use dhp_port_dpdk::Eal;

#[test]
fn a_wrong_option_is_refused_and_ends_what_a_process_can_try() {
    let options = ["--no-such-option".to_owned()];
    let refused = Eal::init(&options).expect_err("there is no such option");
    let text = refused.to_string();
    assert!(
        text.starts_with("DPDK: initialize: Invalid argument"),
        "{text}"
    );
    let again = Eal::init(&options).expect_err("once");
    assert!(again.to_string().contains("possible once"), "{again}");
}
