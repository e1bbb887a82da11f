"""Steps: what is wrong, and what exactly the RFC has answered to it. The binding outlives all of it."""

from dataclasses import replace

from scapy.layers.inet6 import IPv6, IPv6ExtHdrRouting

import checks
import messages
import record
from steps import step

# Octets before the Mobility Header of an update: IPv6, and Destination Options with the Home Address option.
BEFORE_HEADER = 40 + 24


def elsewhere(node):
    """Where all of it comes from. The mobile node is bound at its other care-of address: what had been taken for good
    would have moved it here."""
    return node.world.care_of[1]


def refused(node, status, **changes):
    """An update that is acknowledged with a status of 128 or more, and its own number."""
    node.access.send(node.update(elsewhere(node), **changes))
    answered = {key: changes[key] for key in ("home", "sequence") if key in changes}
    node.expect_acknowledgement(elsewhere(node), status=status, lifetime=0, **answered)


def silent(node, packet, reason):
    """A packet that is not answered, but counted."""
    before = node.dropped(reason)
    node.access.send(packet)
    node.expect_silence(elsewhere(node))
    record.expect(f"counted as {reason}")
    counted = node.dropped(reason) - before
    record.see(f"counted as {reason}: {counted}")
    checks.same(f"the number of messages dropped because of {reason}", counted, 1)


def parameter_problem(node, packet, pointer):
    """A packet that an ICMPv6 error answers, pointing at an octet of it."""
    node.access.send(packet)
    answer = node.access.receive(f"an ICMPv6 Parameter Problem, code 0, pointer {pointer}")
    checks.icmp_error(answer, node.world.anchor, elsewhere(node), kind=4, code=0, pointer=pointer, cause=packet)


@step("RFC 6275 §9.2", "a wrong checksum: dropped silently, and counted")
def wrong_checksum(node):
    right = int.from_bytes(bytes(node.update(elsewhere(node)))[BEFORE_HEADER + 4 : BEFORE_HEADER + 6], "big")
    silent(node, node.update(elsewhere(node), cksum=right ^ 0x0101), "checksum")


@step("RFC 6275 §9.2", "a piggybacked payload: Parameter Problem that points at Payload Proto")
def piggybacked(node):
    parameter_problem(node, node.update(elsewhere(node), nh=17), BEFORE_HEADER)


@step("RFC 6275 §9.2", "a Binding Update that is too short: Parameter Problem that points at Header Len")
def short_header(node):
    world = node.world
    short = messages.unknown_type(elsewhere(node), world.anchor, world.home, kind=5)
    parameter_problem(node, short, BEFORE_HEADER + 1)


@step("RFC 6275 §9.2", "the same without Home Address option: the pointer moves along")
def short_header_without_option(node):
    world = node.world
    parameter_problem(node, messages.unknown_type(elsewhere(node), world.anchor, kind=5), 40 + 1)


@step("RFC 6275 §9.2, §9.3.3", "an unknown MH Type: Binding Error status 2, with the home address of the option")
def unknown_type(node):
    world = node.world
    node.access.send(messages.unknown_type(elsewhere(node), world.anchor, world.home))
    packet = node.access.receive(f"a Binding Error, Status 2, home address {world.home}")
    checks.binding_error(packet, world.anchor, elsewhere(node), status=2, home=world.home)


@step("RFC 6275 §9.5.1", "a multicast home address: silence")
def multicast_home(node):
    silent(node, node.update(elsewhere(node), home="ff0e::1"), "home_address_not_routable")


@step("RFC 6275 §6.1.7", "a multicast care-of address: silence")
def multicast_care_of(node):
    silent(node, node.update(elsewhere(node), alternate="ff0e::1"), "care_of_not_routable")


@step("RFC 6275 §9.5.1", "a stale Sequence #: status 135, with the last one that was accepted")
def stale(node):
    last = node.accepted
    # "Modulo 2^16": what is 2^15 or more ahead is behind.
    for ahead in (0, -1, -2, 0x8000, 0x8001):
        node.access.send(node.update(elsewhere(node), sequence=(last + ahead) % 0x10000))
        node.expect_acknowledgement(elsewhere(node), status=135, lifetime=0, sequence=last)


@step("RFC 6275 §10.3.1", "a home address of a foreign subnet: status 132")
def foreign_subnet(node):
    refused(node, 132, home=node.world.foreign_home, sequence=7)


@step("RFC 6275 §9.5.1", "a home registration that is to become a route optimization: status 139")
def type_change(node):
    refused(node, 139, flags="A")


@step("RFC 4285 §5.1.1, §5.3", "authentication data of another key: status 146")
def wrong_key(node):
    world = node.world
    forger = replace(world.association, key=bytes(len(world.association.key)))
    node.access.send(node.update(elsewhere(node), association=forger))
    # The answer is authenticated with the right key.
    node.expect_acknowledgement(elsewhere(node), status=146, lifetime=0)


@step("RFC 4285 §5.1.1", "a Binding Update of an unknown SPI: silence")
def unknown_spi(node):
    stranger = replace(node.world.association, spi=9999)
    silent(node, node.update(elsewhere(node), association=stranger), "unknown_spi")


@step("RFC 6275 §5.1", "a Binding Update without authentication: silence")
def unauthenticated(node):
    silent(node, node.update(elsewhere(node), association=None), "no_authentication")


@step("RFC 6275 §5.1", "another mobile node's home address: status 129")
def not_the_owner(node):
    refused(node, 129, home=node.world.other_home, sequence=7)


@step("RFC 6275 §6.1.8", "a care-of address that is a home address: status 174")
def care_of_at_home(node):
    node.access.send(node.update(elsewhere(node), alternate=node.world.other_home))
    node.expect_acknowledgement(elsewhere(node), status=174, lifetime=0, named_care_of=node.world.other_home)


@step("RFC 6275 §8.2", "a type 2 routing header to a node that is no mobile node: silence")
def routing_header(node):
    world = node.world
    below = IPv6(src=elsewhere(node), dst=world.anchor)
    routing = IPv6ExtHdrRouting(type=2, addresses=[world.anchor])
    silent(node, below / routing / messages.unknown_type(elsewhere(node), world.anchor).payload, "routing_header")


@step("RFC 6275 §9.5.1", "after all that the binding is what it was, and the next number is good")
def unchanged(node):
    node.is_reached_at(node.world.care_of[0])
    node.register()
