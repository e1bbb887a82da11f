//! What tshark and scapy are to find in each packet that we send: fields by the names that they have there.

/// The name of a packet, fields of tshark, fields of scapy.
pub type Row = (&'static str, Fields, Fields);
pub type Fields = &'static [(&'static str, &'static str)];

/// A row for each packet of `cases`.
pub const EXPECTED: &[Row] = &[
    (
        "hoti",
        &[
            ("mip6.mhtype", "1"),
            ("mip6.hoti.cookie", "0x1111111111111111"),
        ],
        &[("MIP6MH_HoTI.cookie", "1111111111111111")],
    ),
    (
        "coti",
        &[
            ("mip6.mhtype", "2"),
            ("mip6.coti.cookie", "0x1111111111111111"),
        ],
        &[("MIP6MH_CoTI.cookie", "1111111111111111")],
    ),
    (
        "hot",
        &[
            ("mip6.hot.nindex", "4"),
            ("mip6.hot.cookie", "0x1111111111111111"),
            ("mip6.hot.token", "0x2222222222222222"),
        ],
        &[
            ("MIP6MH_HoT.index", "4"),
            ("MIP6MH_HoT.cookie", "1111111111111111"),
            ("MIP6MH_HoT.token", "2222222222222222"),
        ],
    ),
    (
        "cot",
        &[
            ("mip6.cot.nindex", "5"),
            ("mip6.cot.cookie", "0x1111111111111111"),
            // Wireshark has one field for both tokens.
            ("mip6.hot.token", "0x2222222222222222"),
        ],
        &[
            ("MIP6MH_CoT.index", "5"),
            ("MIP6MH_CoT.cookie", "1111111111111111"),
            ("MIP6MH_CoT.token", "2222222222222222"),
        ],
    ),
    (
        "bu-correspondent",
        &[
            ("ipv6.opt.mipv6.home_address", "2001:db8:1::100"),
            ("mip6.bu.seqnr", "1"),
            ("mip6.bu.a_flag", "1"),
            ("mip6.bu.h_flag", "0"),
            ("mip6.bu.lifetime", "105"),
            ("mip6.ni.hni", "4"),
            ("mip6.ni.cni", "5"),
            ("mip6.bad.auth", "33:33:33:33:33:33:33:33:33:33:33:33"),
        ],
        &[
            ("HAO.hoa", "2001:db8:1::100"),
            ("MIP6MH_BU.seq", "1"),
            ("MIP6MH_BU.flags", "A"),
            ("MIP6MH_BU.mhtime", "105"),
            ("MIP6OptNonceIndices.hni", "4"),
            ("MIP6OptNonceIndices.coni", "5"),
            ("MIP6OptBindingAuthData.olen", "12"),
        ],
    ),
    ("brr", &[("mip6.mhtype", "0")], &[("MIP6MH_BRR.len", "0")]),
    (
        "be",
        &[
            ("mip6.be.status", "2"),
            ("mip6.be.haddr", "2001:db8:1::100"),
        ],
        &[
            ("MIP6MH_BE.status", "2"),
            ("MIP6MH_BE.ha", "2001:db8:1::100"),
        ],
    ),
    (
        "bu-home",
        &[
            ("mip6.bu.h_flag", "1"),
            ("mip6.bu.l_flag", "1"),
            ("mip6.acoa.acoa", "2001:db8:2::100"),
            ("mip6.mnid.subtype", "1"),
            ("mip6.mnid.identifier", "mn@example.net"),
            ("mip6.options.mseg_id", "0a:08:01:02:03:04:05:06:07:08"),
            ("mip6.auth.mobility_spi", "256"),
        ],
        &[
            ("MIP6MH_BU.flags", "LHA"),
            ("MIP6OptAltCoA.acoa", "2001:db8:2::100"),
            ("MIP6OptMNID.id", "6d6e406578616d706c652e6e6574"),
            ("MIP6OptReplayProtection.timestamp", "72623859790382856"),
            ("MIP6OptMsgAuth.mspi", "256"),
            ("MIP6OptMsgAuth.authdata", "444444444444444444444444"),
        ],
    ),
    (
        "bu-router",
        &[
            ("mip6.nemo.bu.r_flag", "1"),
            ("mip6.nemo.mnp.pfl", "48"),
            ("mip6.nemo.mnp.mnp", "2001:db8:3::1"),
        ],
        &[
            ("MIP6MH_BU.flags", "RLHA"),
            ("MIP6OptMobNetPrefix.plen", "48"),
            ("MIP6OptMobNetPrefix.prefix", "2001:db8:3::1"),
        ],
    ),
    (
        "bu-service",
        &[
            ("mip6.ss.identifier", "ims"),
            ("mip6.vsm.vendorId", "32473"),
            ("mip6.vsm.subtype", "2"),
        ],
        &[
            ("MIP6OptUnknown.otype", "20"),
            ("MIP6OptUnknown.odata", "696d73"),
            ("MIP6OptUnknown.otype", "19"),
            ("MIP6OptUnknown.odata", "00007ed902090807"),
        ],
    ),
    (
        "bu-flows",
        &[
            ("mip6.bu.b_flag", "1"),
            ("mip6.bi.bid", "7"),
            ("mip6.bi.bid", "8"),
            ("mip6.bi.coa_ipv6", "2001:db8:2::100"),
            // Flow Identification and Flow Summary, by their numbers in the registry.
            ("mip6.mobility_opt", "45"),
            ("mip6.mobility_opt", "44"),
        ],
        &[("MIP6OptUnknown.odata", "00010002")],
    ),
    (
        "ba",
        &[
            ("ipv6.routing.mipv6.home_address", "2001:db8:1::100"),
            ("mip6.ba.status", "1"),
            ("mip6.nemo.ba.r_flag", "1"),
            ("mip6.ba.seqnr", "7"),
            ("mip6.ba.lifetime", "600"),
            ("mip6.bra.interval", "300"),
        ],
        &[
            ("IPv6ExtHdrRouting.type", "2"),
            ("MIP6MH_BA.status", "1"),
            ("MIP6MH_BA.flags", "R"),
            ("MIP6MH_BA.seq", "7"),
            ("MIP6MH_BA.mhtime", "600"),
            ("MIP6OptBRAdvice.rinter", "300"),
        ],
    ),
    (
        "ha-switch",
        &[
            ("mip6.has.num_addrs", "1"),
            ("mip6.has.address", "2001:db8:3::1"),
        ],
        &[
            ("MIP6MH_Generic.mhtype", "12"),
            ("MIP6MH_Generic.msg", "010020010db8000300000000000000000001"),
        ],
    ),
    (
        "heartbeat-request",
        &[("mip6.hb.r_flag", "0"), ("mip6.hb.seqnr", "77")],
        &[("MIP6MH_Generic.mhtype", "13")],
    ),
    (
        "heartbeat-response",
        &[
            ("mip6.hb.r_flag", "1"),
            ("mip6.hb.u_flag", "0"),
            ("mip6.hb.seqnr", "77"),
            ("mip6.rc", "9"),
        ],
        &[("MIP6MH_Generic.mhtype", "13")],
    ),
    (
        "bri",
        &[
            ("mip6.bri_br.type", "1"),
            ("mip6.bri_r.trigger", "1"),
            ("mip6.bri_seqnr", "78"),
        ],
        &[("MIP6MH_Generic.mhtype", "16")],
    ),
    (
        "bra",
        &[
            ("mip6.bri_br.type", "2"),
            ("mip6.bri_status", "128"),
            ("mip6.bri_seqnr", "78"),
        ],
        &[("MIP6MH_Generic.mhtype", "16")],
    ),
    (
        "rs",
        &[("icmpv6.type", "133"), ("ipv6.hlim", "255")],
        &[("ICMPv6ND_RS.code", "0"), ("IPv6.hlim", "255")],
    ),
    (
        "ra",
        &[
            ("icmpv6.nd.ra.flag.h", "1"),
            ("icmpv6.nd.ra.router_lifetime", "1800"),
            ("icmpv6.nd.ra.reachable_time", "3"),
            ("icmpv6.nd.ra.retrans_timer", "4"),
            ("icmpv6.opt.src_linkaddr", "02:00:00:00:00:09"),
            ("icmpv6.opt.mtu", "1500"),
            ("icmpv6.opt.prefix.flag.r", "1"),
            ("icmpv6.opt.prefix.length", "64"),
            ("icmpv6.opt.prefix", "2001:db8:1::1"),
            ("icmpv6.opt.advertisement_interval", "70"),
            ("icmpv6.opt.home_agent_preference", "9"),
            ("icmpv6.opt.home_agent_lifetime", "300"),
        ],
        &[
            ("ICMPv6ND_RA.H", "1"),
            ("ICMPv6ND_RA.routerlifetime", "1800"),
            ("ICMPv6NDOptSrcLLAddr.lladdr", "02:00:00:00:00:09"),
            ("ICMPv6NDOptMTU.mtu", "1500"),
            ("ICMPv6NDOptPrefixInfo.R", "1"),
            ("ICMPv6NDOptPrefixInfo.validlifetime", "86400"),
            ("ICMPv6NDOptPrefixInfo.preferredlifetime", "14400"),
            ("ICMPv6NDOptPrefixInfo.prefix", "2001:db8:1::1"),
            ("ICMPv6NDOptAdvInterval.advint", "70"),
            ("ICMPv6NDOptHAInfo.pref", "9"),
            ("ICMPv6NDOptHAInfo.lifetime", "300"),
        ],
    ),
    (
        "ns-dad",
        &[
            ("ipv6.src", "::"),
            ("icmpv6.nd.ns.target_address", "2001:db8:1::100"),
        ],
        &[("ICMPv6ND_NS.tgt", "2001:db8:1::100")],
    ),
    (
        "na-proxy",
        &[
            ("icmpv6.nd.na.flag.r", "0"),
            ("icmpv6.nd.na.flag.o", "1"),
            ("icmpv6.nd.na.target_address", "2001:db8:1::100"),
            ("icmpv6.opt.target_linkaddr", "02:00:00:00:00:09"),
        ],
        &[
            ("ICMPv6ND_NA.O", "1"),
            ("ICMPv6ND_NA.tgt", "2001:db8:1::100"),
            ("ICMPv6NDOptDstLLAddr.lladdr", "02:00:00:00:00:09"),
        ],
    ),
    (
        "dhaad-request",
        &[("icmpv6.mip6.identifier", "258")],
        &[("ICMPv6HAADRequest.id", "258")],
    ),
    (
        "dhaad-reply",
        &[
            ("icmpv6.mip6.identifier", "258"),
            ("icmpv6.mip6.home_agent_address", "2001:db8:1::1"),
            ("icmpv6.mip6.home_agent_address", "2001:db8:3::1"),
        ],
        &[(
            "ICMPv6HAADReply.addresses",
            "['2001:db8:1::1', '2001:db8:3::1']",
        )],
    ),
    (
        "mps",
        &[
            ("ipv6.opt.mipv6.home_address", "2001:db8:1::100"),
            ("icmpv6.mip6.identifier", "258"),
        ],
        &[("ICMPv6MPSol.id", "258")],
    ),
    (
        "mpa",
        &[
            ("ipv6.routing.mipv6.home_address", "2001:db8:1::100"),
            ("icmpv6.mip6.flag.m", "1"),
            ("icmpv6.opt.prefix", "2001:db8:1::1"),
        ],
        &[
            ("ICMPv6MPAdv.id", "258"),
            ("ICMPv6NDOptPrefixInfo.prefix", "2001:db8:1::1"),
        ],
    ),
];
