"""scapy as the other side of a wire test.

    scapy_peer.py decode CAPTURE    reads packets, prints what scapy makes of each: a line of JSON
    scapy_peer.py encode            makes packets, prints each: a line of JSON with its name and its octets

The packets of `encode` are scapy's own: their lengths, padding and checksums are what scapy puts in.
"""

import json
import sys

from scapy.all import raw, rdpcap
from scapy.layers.inet6 import (
    HAO, ICMPv6HAADReply, ICMPv6HAADRequest, ICMPv6MPAdv, ICMPv6MPSol, ICMPv6ND_NA, ICMPv6ND_NS,
    ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptAdvInterval, ICMPv6NDOptDstLLAddr, ICMPv6NDOptHAInfo,
    ICMPv6NDOptMTU, ICMPv6NDOptPrefixInfo, ICMPv6NDOptSrcLLAddr, IPv6, IPv6ExtHdrDestOpt,
    IPv6ExtHdrRouting, MIP6MH_BA, MIP6MH_BE, MIP6MH_BRR, MIP6MH_BU, MIP6MH_CoT, MIP6MH_CoTI,
    MIP6MH_Generic, MIP6MH_HoT, MIP6MH_HoTI, MIP6OptAltCoA, MIP6OptBindingAuthData,
    MIP6OptBRAdvice, MIP6OptMNID, MIP6OptMobNetPrefix, MIP6OptMsgAuth, MIP6OptNonceIndices,
    MIP6OptReplayProtection, MIP6OptUnknown, Pad1, PadN, in6_chksum)
from scapy.packet import Packet

HOME = "2001:db8:1::100"
CARE_OF = "2001:db8:2::100"
HOME_AGENT = "2001:db8:1::1"
CORRESPONDENT = "2001:db8:3::1"
ROUTER = "fe80::1"


def text(value):
    return value.hex() if isinstance(value, bytes) else str(value)


def layers(packet):
    """The layers of a packet, and the options in their option fields, padding left out."""
    while packet and packet.name != "NoPayload":
        yield packet
        for value in packet.fields.values():
            for option in value if isinstance(value, list) else ():
                if isinstance(option, Packet) and not isinstance(option, (Pad1, PadN)):
                    yield option
        packet = packet.payload


def describe(packet):
    fields = {}
    for layer in layers(packet):
        for name, value in layer.fields.items():
            if not isinstance(value, list) or not any(isinstance(v, Packet) for v in value):
                fields.setdefault(f"{type(layer).__name__}.{name}", []).append(text(value))
    return {"fields": fields, "checksum_is_right": checksum_is_right(packet)}


def checksum_is_right(packet):
    """By scapy's own account of Home Address options and routing headers, over the octets as they came."""
    destination = packet.getlayer(IPv6ExtHdrDestOpt)
    if destination:
        # in6_chksum sees a Home Address option only where it is alone, as it is before scapy pads it.
        destination.options = [o for o in destination.options if isinstance(o, HAO)]
    for layer in layers(packet):
        if "cksum" in layer.fields:
            protocol = 135 if type(layer).__name__.startswith("MIP6") else 58
            return in6_chksum(protocol, layer.underlayer, layer.original) == 0
    return False


def decode(capture):
    for packet in rdpcap(capture):
        yield describe(IPv6(raw(packet)))


def from_mobile_node(message, peer=HOME_AGENT):
    options = IPv6ExtHdrDestOpt(options=[HAO(hoa=HOME)])
    return IPv6(src=CARE_OF, dst=peer) / options / message


def to_mobile_node(message, peer=HOME_AGENT):
    routing = IPv6ExtHdrRouting(type=2, segleft=1, addresses=[HOME])
    return IPv6(src=peer, dst=CARE_OF) / routing / message


def on_link(message, source=ROUTER, destination="ff02::1"):
    return IPv6(src=source, dst=destination, hlim=255) / message


def packets():
    between = IPv6(src=CORRESPONDENT, dst=HOME)
    cookie, token = b"\x11" * 8, b"\x22" * 8
    yield "brr", between / MIP6MH_BRR()
    yield "hoti", IPv6(src=HOME, dst=CORRESPONDENT) / MIP6MH_HoTI(cookie=cookie)
    yield "coti", IPv6(src=CARE_OF, dst=CORRESPONDENT) / MIP6MH_CoTI(cookie=cookie)
    yield "hot", between / MIP6MH_HoT(index=4, cookie=cookie, token=token)
    yield "cot", between / MIP6MH_CoT(index=5, cookie=cookie, token=token)
    yield "be", between / MIP6MH_BE(status=1, ha=HOME)
    yield "bu-correspondent", from_mobile_node(MIP6MH_BU(seq=1, flags="A", mhtime=105, options=[
        # scapy's default lengths of these two are 16.
        MIP6OptNonceIndices(olen=4, hni=4, coni=5),
        MIP6OptBindingAuthData(olen=12, authenticator=int.from_bytes(b"\x33" * 12, "big")),
    ]), CORRESPONDENT)
    yield "bu-home", from_mobile_node(MIP6MH_BU(seq=7, flags="AHL", mhtime=900, options=[
        MIP6OptAltCoA(acoa=CARE_OF),
        MIP6OptMNID(subtype=1, id=b"mn@example.net"),
        MIP6OptReplayProtection(timestamp=0x0102030405060708),
        MIP6OptMobNetPrefix(prefix=CORRESPONDENT, plen=48),
        MIP6OptMsgAuth(subtype=1, mspi=256, authdata=b"\x44" * 12),
    ]))
    yield "ba", to_mobile_node(MIP6MH_BA(status=1, flags="K", seq=7, mhtime=600, options=[
        MIP6OptBRAdvice(rinter=300), MIP6OptUnknown(otype=200, odata=b"\x01\x02\x03"),
    ]))
    yield "unknown", between / MIP6MH_Generic(mhtype=200, msg=b"\x01\x02" + b"\x00" * 8)
    prefix = ICMPv6NDOptPrefixInfo(prefixlen=64, L=1, A=1, R=1, validlifetime=86400,
                                   preferredlifetime=14400, prefix=HOME_AGENT)
    yield "ra", on_link(
        ICMPv6ND_RA(chlim=64, H=1, routerlifetime=1800, reachabletime=3, retranstimer=4)
        / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:09") / ICMPv6NDOptMTU(mtu=1500) / prefix
        / ICMPv6NDOptAdvInterval(advint=70) / ICMPv6NDOptHAInfo(pref=9, lifetime=300))
    yield "rs", on_link(ICMPv6ND_RS(), destination="ff02::2")
    yield "ns-dad", on_link(ICMPv6ND_NS(tgt=HOME), "::", "ff02::1:ff00:100")
    yield "na-proxy", on_link(
        ICMPv6ND_NA(R=0, S=0, O=1, tgt=HOME) / ICMPv6NDOptDstLLAddr(lladdr="02:00:00:00:00:09"))
    yield "dhaad-request", IPv6(src=CARE_OF, dst=HOME_AGENT) / ICMPv6HAADRequest(id=0x0102)
    yield "dhaad-reply", IPv6(src=HOME_AGENT, dst=CARE_OF) / ICMPv6HAADReply(
        id=0x0102, addresses=[HOME_AGENT, CORRESPONDENT])
    yield "mps", from_mobile_node(ICMPv6MPSol(id=0x0102))
    yield "mpa", to_mobile_node(ICMPv6MPAdv(id=0x0102, flags="M") / prefix)


def encode():
    for name, packet in packets():
        yield {"name": name, "packet": raw(packet).hex()}


def main(arguments):
    match arguments:
        case ["decode", capture]:
            lines = decode(capture)
        case ["encode"]:
            lines = encode()
        case _:
            sys.exit(__doc__)
    for line in lines:
        print(json.dumps(line))


main(sys.argv[1:])
