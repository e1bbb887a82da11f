"""What a step expects and what it sees, in words: the lines that are printed below it."""

import struct

import messages
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6HAADReply, ICMPv6MPAdv, ICMPv6ND_NA, ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr, ICMPv6NDOptPrefixInfo, ICMPv6ParamProblem, IPv6ExtHdrRouting, MIP6MH_BA, MIP6MH_BE,
    MIP6MH_Generic,
)

# Of the step that is being performed.
EXPECTED, SEEN = [], []


def begin():
    """Another step begins."""
    EXPECTED.clear()
    SEEN.clear()


def expect(text):
    """Says what the RFC has come next."""
    EXPECTED.append(text)


def see(text):
    """Says what came."""
    SEEN.append(text)


def described(packet):
    """A packet in a few words, of its own fields alone."""
    if packet.nh == 41:
        return f"tunnel {packet.src} > {packet.dst} [{described(packet.payload)}]"
    text = message(packet)
    if IPv6ExtHdrRouting in packet:
        text += f", routing header type {packet[IPv6ExtHdrRouting].type} {','.join(packet[IPv6ExtHdrRouting].addresses)}"
    return f"{packet.src} > {packet.dst} {text}"


def message(packet):
    """What it carries: the first layer that has words here. What an error quotes comes behind it."""
    for layer in layers(packet):
        if told := MESSAGES.get(type(layer)):
            return told(layer)
    return packet.lastlayer().name


def layers(packet):
    """A packet's layers, from the outermost on."""
    while packet:
        yield packet
        packet = packet.payload


def prefixes(advertisement):
    """The prefixes of a Mobile Prefix Advertisement with their lifetimes."""
    options = [layer for layer in layers(advertisement) if isinstance(layer, ICMPv6NDOptPrefixInfo)]
    return ", ".join(
        f"{option.prefix}/{option.prefixlen} valid {option.validlifetime} s preferred {option.preferredlifetime} s"
        for option in options
    )


def advertised(upper):
    """A Neighbor Advertisement."""
    option = upper.getlayer(ICMPv6NDOptDstLLAddr)
    at = "" if option is None else f" at {option.lladdr}"
    return f"Neighbor Advertisement {upper.tgt}{at} R={upper.R} S={upper.S} O={upper.O}"


def generic(upper):
    """A Mobility Header that scapy does not know."""
    if upper.mhtype != messages.DMIP:
        return f"Mobility Header type {upper.mhtype}"
    kind, _, sequence, lifetime, _, status = struct.unpack_from("!BBHHHB", upper.msg)
    return f"DMIPv6 message type {kind} Status {status} Sequence # {sequence} Lifetime {lifetime}"


MESSAGES = {
    MIP6MH_BA: lambda upper: f"Binding Acknowledgement Status {upper.status} Sequence # {upper.seq} Lifetime {upper.mhtime}",
    MIP6MH_BE: lambda upper: f"Binding Error Status {upper.status} home address {upper.ha}",
    MIP6MH_Generic: generic,
    ICMPv6DestUnreach: lambda upper: f"ICMPv6 Destination Unreachable code {upper.code}",
    ICMPv6ParamProblem: lambda upper: f"ICMPv6 Parameter Problem code {upper.code} pointer {upper.ptr}",
    ICMPv6EchoRequest: lambda upper: f"Echo Request {upper.seq}",
    ICMPv6EchoReply: lambda upper: f"Echo Reply {upper.seq}",
    ICMPv6HAADReply: lambda upper: f"Home Agent Address Discovery Reply {upper.id}: {', '.join(upper.addresses)}",
    ICMPv6MPAdv: lambda upper: f"Mobile Prefix Advertisement {upper.id}: {prefixes(upper)}",
    ICMPv6ND_NS: lambda upper: f"Neighbor Solicitation {upper.tgt}",
    ICMPv6ND_NA: advertised,
}
