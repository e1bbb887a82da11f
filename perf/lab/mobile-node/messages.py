"""The mobile node's messages, built by scapy alone, and the authentication of RFC 4285."""

import hashlib
import hmac
import socket
import struct

from scapy.compat import raw
from scapy.layers.inet6 import (
    HAO, IPv6, IPv6ExtHdrDestOpt, MIP6MH_BU, MIP6MH_Generic, MIP6OptAltCoA, MIP6OptMNID, MIP6OptMsgAuth,
)

NO_NEXT_HEADER = 59
AUTHENTICATION = 9
MAC_LEN = 12
DMIP, EXPERIMENTAL_OPTION = 11, 18
HOME_AGENT_SWITCH = 12
BINDING_REVOCATION = 16
# Octets before the options of all messages here but the Home Agent Switch, whose addresses come before, and those of DMIPv6.
FIXED_LEN, DMIP_LEN = 12, 16


def packed(address):
    """The 16 octets of an address."""
    return socket.inet_pton(socket.AF_INET6, address)


def unpacked(octets):
    """The address of 16 octets."""
    return socket.inet_ntop(socket.AF_INET6, octets)


def mac(association, care_of, home, mh_through_spi):
    """RFC 4285 §5.1: First (96, HMAC_SHA1 (key, care-of address | home address | MH Data)), the checksum as 0."""
    data = mh_through_spi[:4] + b"\0\0" + mh_through_spi[6:]
    digest = hmac.new(association.key, packed(care_of) + packed(home) + data, hashlib.sha1)
    return digest.digest()[:MAC_LEN]


def options(mh):
    """Offset and type of each option of a Mobility Header."""
    at = {HOME_AGENT_SWITCH: 8 + 16 * mh[6], DMIP: DMIP_LEN}.get(mh[2], FIXED_LEN)
    while at < len(mh):
        yield at, mh[at]
        at += 1 if mh[at] == 0 else 2 + mh[at + 1]


def from_home(care_of, to, home):
    """The headers of a packet that the home address sends from a care-of address (RFC 6275 §6.3)."""
    return IPv6(src=care_of, dst=to) / IPv6ExtHdrDestOpt(options=[HAO(hoa=home)])


def authenticated(message, association, care_of, home):
    """Appends identity and authentication options to a message of scapy's, and fills in the latter's data."""
    message.options += [MIP6OptMNID(id=association.identity), MIP6OptMsgAuth(mspi=association.spi, authdata=b"\0" * MAC_LEN)]
    unsigned = without_checksum(message)
    at = next(at for at, kind in options(unsigned) if kind == AUTHENTICATION)
    message.options[-1].authdata = mac(association, care_of, home, unsigned[: at + 7])
    return message


def without_checksum(message):
    """Its octets with a checksum of 0, as the MAC has it."""
    message = message.copy()
    message.cksum = 0
    return raw(message)


def binding_update(
    to, care_of, home, association, *, sequence, lifetime, flags="HA", alternate=None, names_care_of=True, extra=(), at_home=False, **fields
):
    """A Binding Update (RFC 6275 §6.1.7) from a care-of address, with the Alternate Care-of Address option that home
    registrations have (§11.7.1) unless BIDs do; at home without Home Address option (§11.5.5). Further fields are scapy's, to be wrong in: `nh`, `cksum`, `len`."""
    alternate = alternate or care_of
    named = [MIP6OptAltCoA(acoa=alternate)] if names_care_of else []
    message = MIP6MH_BU(
        seq=sequence, flags=flags, mhtime=lifetime, res=0,
        options=[*named, *extra], nh=fields.pop("nh", NO_NEXT_HEADER), **fields,
    )
    if association is not None:
        message = authenticated(message, association, alternate, home)
    below = IPv6(src=home, dst=to) if at_home else from_home(care_of, to, home)
    return below / message


def unknown_type(care_of, to, home=None, kind=200):
    """A Mobility Header of a type that nobody knows."""
    below = IPv6(src=care_of, dst=to) if home is None else from_home(care_of, to, home)
    return below / MIP6MH_Generic(mhtype=kind, res=0, msg=b"\0\0")


def revocation_acknowledgement(to, care_of, home, association, *, sequence, status=0):
    """A Binding Revocation Acknowledgement (RFC 5846 §5.2), of octets: scapy does not know it."""
    fixed = struct.pack("!BBHH", 2, status, sequence, 0)
    return from_home(care_of, to, home) / generic(BINDING_REVOCATION, fixed, association, care_of, home)


def padding(octets):
    """Pad1 or PadN of so many octets (RFC 6275 §6.2.2, §6.2.3)."""
    return b"\0" * octets if octets < 2 else bytes([1, octets - 2]) + b"\0" * (octets - 2)


def generic(kind, fixed, association, care_of, home):
    """An authenticated message of a type that scapy does not know: what stands behind the checksum, then options."""
    identity = raw(MIP6OptMNID(id=association.identity))
    # RFC 4285 §5.1: the authentication option begins at 4n+1; and the header ends at a multiple of 8 octets.
    gap = (5 - (6 + len(fixed) + len(identity))) % 8
    option = raw(MIP6OptMsgAuth(mspi=association.spi, authdata=b"\0" * MAC_LEN))
    body = fixed + identity + padding(gap) + option
    header = MIP6MH_Generic(mhtype=kind, res=0, msg=body)
    data = mac(association, care_of, home, without_checksum(header)[:-MAC_LEN])
    header.msg = body[:-MAC_LEN] + data
    return header
