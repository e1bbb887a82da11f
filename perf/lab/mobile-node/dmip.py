"""DMIPv6 messages of a mobile node (shared/wire/PROTOCOL.md, section 4), of octets: scapy does not know them."""

import struct
import time

from scapy.layers.inet6 import IPv6

import messages

DHOA_REQUEST, DHOA_RESPONSE, BINDING_UPDATE, BINDING_CONFIRMATION = 3, 4, 5, 6
ACKNOWLEDGE = 0x8000
VERSION = 1
MESG_ID = 10
# From the era of NTP timestamps to that of the system clock, s.
NTP_TO_UNIX_S = 2_208_988_800
# Subtypes of the Experimental Mobility Option, which alone carries what only DMIPv6 has.
CORRESPONDENT, DHOA, COOKIE = 1, 3, 6


def experimental(subtype, data):
    """An Experimental Mobility Option (RFC 5096)."""
    return bytes([messages.EXPERIMENTAL_OPTION, 1 + len(data), subtype]) + data


def correspondent(address):
    """The Correspondent option of one host."""
    return experimental(CORRESPONDENT, struct.pack("!BH", 128, 0) + messages.packed(address))


def dhoa(address):
    """The DHoA option of an update, for all flows on it, with the lifetime of the header."""
    return experimental(DHOA, struct.pack("!BH", 0, 0) + messages.packed(address) + bytes(4))


def cookie(octets):
    """The Cookie option."""
    return experimental(COOKIE, octets)


def mesg_id():
    """The MESG-ID option of RFC 4285 §6: the present time."""
    return struct.pack("!BBQ", MESG_ID, 8, int((time.time() + NTP_TO_UNIX_S) * 2**32))


def laid_out(options):
    """Options behind the header of 16 octets, each at 8n+2, as most want it, by PadN."""
    octets = b""
    for option in options:
        gap = (2 - len(octets)) % 8
        octets += messages.padding(gap) + option
    return octets


def message(to, care_of, association, kind, *, sequence, lifetime, options):
    """A message from a care-of address, an update with flag A. Its MAC takes the DHP's address for the home address (§6.1)."""
    flags = ACKNOWLEDGE if kind == BINDING_UPDATE else 0
    header = struct.pack("!BBHHHBB", kind, VERSION << 4, sequence, lifetime, flags, 0, 0)
    return IPv6(src=care_of, dst=to) / messages.generic(
        messages.DMIP, header + laid_out(options), association, care_of, to
    )


def read(mh):
    """What an answer says: its fixed fields, the status and address of its DHoA option, its cookie and its MESG-ID."""
    kind, version, sequence, lifetime, flags, status = struct.unpack_from("!BBHHHB", mh, 6)
    answer = {
        "kind": kind, "version": version >> 4, "sequence": sequence, "lifetime": lifetime, "flags": flags, "status": status,
        "dhoa_status": None, "dhoa": None, "cookie": None, "mesg_id": None,
    }
    for at, option in messages.options(mh):
        if option == MESG_ID:
            answer["mesg_id"] = mh[at : at + 2 + mh[at + 1]]
        if option != messages.EXPERIMENTAL_OPTION:
            continue
        data = mh[at + 3 : at + 2 + mh[at + 1]]
        if mh[at + 2] == DHOA:
            answer |= {"dhoa_status": data[0], "dhoa": messages.unpacked(data[3:19])}
        elif mh[at + 2] == COOKIE:
            answer["cookie"] = data
    return answer
