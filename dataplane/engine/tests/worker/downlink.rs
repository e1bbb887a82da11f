//! From a correspondent to a mobile node

use crate::appliance::*;
use crate::packets::*;

#[test]
fn a_bound_address_is_tunnelled() {
    let mut appliance = Appliance::new();
    let packet = with_traffic_class(&udp(CORRESPONDENT, HOME, 100), 0xb9);
    let sent = appliance.pass(CN, &packet);
    let [(CORE, outer)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (source(outer), destination(outer)),
        (address(ANCHOR), address(CARE_OF))
    );
    assert_eq!((outer[6], outer[7]), (41, 64));
    assert_eq!(traffic_class(outer), 0xb9, "DSCP and ECN are copied");
    assert_ne!(flow_label(outer), 0);
    assert_eq!(outer[40..], with_hop_limit(&packet, 63));
    assert_eq!(
        appliance.counted(),
        [("rx_packets", 1), ("tx_packets", 1), ("encapsulated", 1)].into()
    );
}
