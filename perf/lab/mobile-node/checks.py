"""What is checked in every answer, whatever it answers."""

import struct

from scapy.layers.inet6 import (
    IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrRouting, MIP6MH_BA, MIP6MH_BE, ICMPv6DestUnreach, ICMPv6ParamProblem,
    in6_chksum,
)

import messages

NO_NEXT_HEADER = 59
MOBILITY, ICMPV6 = 135, 58


class Mismatch(Exception):
    """An answer is not what the RFC says."""


def same(what, seen, expected):
    """A field has the value that it should."""
    if seen != expected:
        raise Mismatch(f"{what} is {seen}, not {expected}")


def holds(what, condition):
    """Something is as it should be."""
    if not condition:
        raise Mismatch(f"not so: {what}")


def layer(packet, kind, what):
    """A layer that the packet has to have."""
    if kind not in packet:
        raise Mismatch(f"{what} was expected, not {packet.summary()}")
    return packet[kind]


def octets(upper):
    """A dissected upper-layer message as it stood in the packet."""
    return upper.original


def checksum(upper, protocol):
    """The checksum is right, over the final addresses (RFC 8200 §8.1, RFC 6275 §6.1.1)."""
    holds("the checksum is right", in6_chksum(protocol, upper, octets(upper)) == 0)


def ends(packet, source, destination):
    """The addresses of the IPv6 header."""
    same("the source", packet.src, source)
    same("the destination", packet.dst, destination)


def home_in_routing_header(packet, home):
    """One type 2 routing header, for the home address (RFC 6275 §6.4.1)."""
    routing = layer(packet, IPv6ExtHdrRouting, "a type 2 routing header")
    same("the Routing Type", routing.type, 2)
    same("Hdr Ext Len of the routing header", routing.len, 2)
    same("Segments Left", routing.segleft, 1)
    same("the reserved field of the routing header", routing.reserved, 0)
    same("the home address in the routing header", routing.addresses, [home])


def no_extension(packet):
    """Neither routing header nor Destination Options."""
    holds("there is no routing header", IPv6ExtHdrRouting not in packet)
    holds("there are no Destination Options", IPv6ExtHdrDestOpt not in packet)


def authentication(mh, association, care_of, home):
    """The last option is MN-HA authentication, and its data is right (RFC 4285 §5.1)."""
    found = [(start, kind) for start, kind in messages.options(mh) if kind > 1]
    holds("the message has options", found)
    start, kind = found[-1]
    same("the last option", kind, messages.AUTHENTICATION)
    length, subtype, spi = struct.unpack_from("!BBI", mh, start + 1)
    same("the length of the authentication option", length, 5 + messages.MAC_LEN)
    same("the subtype of the authentication option", subtype, 1)
    same("the SPI", spi, association.spi)
    data = mh[start + 7 : start + 7 + messages.MAC_LEN]
    expected = messages.mac(association, care_of, home, mh[: start + 7])
    same("the authentication data", data.hex(), expected.hex())


def mobility_header(packet, kind, what):
    """A Mobility Header of a kind of scapy's, with its checksum and the fields that all have."""
    header = layer(packet, kind, what)
    same("Payload Proto", header.nh, NO_NEXT_HEADER)
    same("Header Len", header.len, len(octets(header)) // 8 - 1)
    same("the reserved octet", header.res, 0)
    checksum(header, MOBILITY)
    return header


def acknowledgement(
    packet, world, *, status, sequence, lifetime, care_of, home, association, named_care_of=None
):
    """A Binding Acknowledgement, field by field (RFC 6275 §6.1.8, §9.5.4), to the source of the update. The care-of address
    that the update named may be another; it is the one that the authentication takes. Without a routing header where it is
    the home address (§9.5.4)."""
    ends(packet, world.anchor, care_of)
    if care_of == home:
        no_extension(packet)
    else:
        home_in_routing_header(packet, home)
    header = mobility_header(packet, MIP6MH_BA, "a Binding Acknowledgement")
    same("Status", header.status, status)
    same("Sequence #", header.seq, sequence)
    same("Lifetime", header.mhtime, lifetime)
    # K only where the update had it, and no RFC 3963 router is in play.
    same("the flags", int(header.flags), 0)
    same("the reserved bits", header.res2, 0)
    authentication(octets(header), association, named_care_of or care_of, home)


def binding_error(packet, source, destination, *, status, home):
    """A Binding Error (RFC 6275 §6.1.9, §9.3.3), with neither routing header nor option."""
    ends(packet, source, destination)
    no_extension(packet)
    header = mobility_header(packet, MIP6MH_BE, "a Binding Error")
    same("Status", header.status, status)
    same("the home address", header.ha, home)


def icmp_error(packet, source, destination, *, kind, code, pointer=None, cause):
    """An ICMPv6 error that quotes its cause (RFC 4443 §3)."""
    classes = {1: ICMPv6DestUnreach, 4: ICMPv6ParamProblem}
    ends(packet, source, destination)
    error = layer(packet, classes[kind], f"an ICMPv6 error of type {kind}")
    same("the code", error.code, code)
    if pointer is not None:
        same("the pointer", error.ptr, pointer)
    checksum(error, ICMPV6)
    # The hop limit may have been decremented before.
    quoted, sent = octets(error)[8:], bytes(cause)
    same("the quoted packet", quoted[:7] + quoted[8:], sent[:7] + sent[8 : len(quoted)])


def tunnelled(packet, source, destination):
    """The inner packet of a tunnel packet (RFC 2473, RFC 6275 §10.4.2)."""
    ends(packet, source, destination)
    same("Next Header of the outer header", packet.nh, 41)
    return layer(packet.payload, IPv6, "a packet in the packet")
