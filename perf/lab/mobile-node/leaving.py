"""Steps: the binding ends, at the mobile node's wish, with its lifetime, or by the operator."""

import struct
import time

from scapy.layers.inet6 import MIP6MH_Generic

import checks
import messages
from checks import holds, same
from steps import step

INDICATION, ADMINISTRATIVE = 1, 1
# The unit of Lifetime fields, s.
LIFETIME_UNIT_S = 4


def becomes_unreachable(node, deadline):
    """The binding ends before a moment of the monotonic clock."""
    while True:
        node.correspondent.send(node.echo(node.world.correspondent, node.world.home))
        # An echo that is tunnelled is not answered here, one that nobody gets is.
        if node.correspondent.receive_or_none(within=0.1) is not None:
            return
        holds("the binding ends in time", time.monotonic() < deadline)


@step("RFC 6275 §10.3.2", "the mobile node de-registers; its home address is unreachable again")
def deregistration(node):
    node.deregister()
    node.is_not_reached()


@step("RFC 6275 §10.3.2", "a Binding Update that the de-registration has overtaken: status 135")
def overtaken(node):
    node.access.send(node.update(sequence=(node.accepted - 1) % 0x10000))
    node.expect_acknowledgement(status=135, lifetime=0, sequence=node.accepted)
    node.is_not_reached()


@step("RFC 6275 §10.3.2", "the same, by a care-of address that is the home address")
def care_of_is_home(node):
    world = node.world
    node.register()
    node.access.send(node.update(alternate=world.home))
    node.expect_acknowledgement(lifetime=0, named_care_of=world.home)
    node.is_not_reached()


@step("RFC 6275 §10.3.1", "a binding ends with its lifetime, not before")
def expiry(node):
    begun = time.monotonic()
    node.access.send(node.update(lifetime=1))
    node.expect_acknowledgement(lifetime=1)
    node.is_reached_at(node.world.care_of[0])
    becomes_unreachable(node, begun + 2 * LIFETIME_UNIT_S)
    holds("it is served until then", time.monotonic() - begun > LIFETIME_UNIT_S - 0.5)


def revocation_indication(node):
    """Receives a Binding Revocation Indication (RFC 5846 §5.1) and gives its Sequence #."""
    world = node.world
    packet = node.access.receive(f"a Binding Revocation Indication, type 2 routing header {node.home}")
    checks.ends(packet, world.anchor, world.care_of[0])
    checks.home_in_routing_header(packet, node.home)
    header = checks.mobility_header(packet, MIP6MH_Generic, "a Binding Revocation Indication")
    same("the MH Type", header.mhtype, messages.BINDING_REVOCATION)
    mh = checks.octets(header)
    kind, trigger, sequence, flags = struct.unpack_from("!BBHH", mh, 6)
    same("the B.R. Type", kind, INDICATION)
    same("the Revocation Trigger", trigger, ADMINISTRATIVE)
    same("the flags", flags, 0)
    checks.authentication(mh, node.association, world.care_of[0], node.home)
    return sequence


@step("RFC 5846 §6.1.1, §6.2.2", "dhpctl revoke: an indication; the binding ends when it is acknowledged")
def revocation(node):
    world = node.world
    node.register()
    node.dhpctl("revoke", world.home)
    sequence = revocation_indication(node)
    node.is_reached_at(world.care_of[0])
    acknowledge = (world.anchor, world.care_of[0], world.home, world.association)
    # §6.2.2: of another number, it acknowledges nothing.
    wrong = (sequence + 1) % 0x10000
    node.access.send(messages.revocation_acknowledgement(*acknowledge, sequence=wrong))
    node.expect_silence(world.care_of[0])
    node.is_reached_at(world.care_of[0])
    node.access.send(messages.revocation_acknowledgement(*acknowledge, sequence=sequence))
    node.expect_silence(world.care_of[0])
    node.is_not_reached()


@step("RFC 5846 §6.3, §11", "an indication that nobody acknowledges is sent twice, then the binding ends")
def unanswered_revocation(node):
    node.register()
    node.dhpctl("revoke", node.world.home)
    first = revocation_indication(node)
    begun = time.monotonic()
    same("the Sequence # of the second", revocation_indication(node), first)
    holds("it comes after a second", 0.5 < time.monotonic() - begun)
    becomes_unreachable(node, begun + 8)


@step("RFC 5142 §5.1, §5.3", "dhpctl switch: the other home agent is named through the tunnel, extensions are refused")
def switch(node):
    world = node.world
    node.register()
    node.dhpctl("switch", world.home, world.other_agent)
    outer = node.access.receive("a Home Agent Switch")
    inner = checks.tunnelled(outer, world.anchor, world.care_of[0])
    checks.ends(inner, world.anchor, world.home)
    checks.no_extension(inner)
    header = checks.mobility_header(inner, MIP6MH_Generic, "a Home Agent Switch")
    same("the MH Type", header.mhtype, messages.HOME_AGENT_SWITCH)
    mh = checks.octets(header)
    same("# of Addresses, and the reserved octet", (mh[6], mh[7]), (1, 0))
    same("the home agent", mh[8:24], messages.packed(world.other_agent))
    checks.authentication(mh, world.association, world.care_of[0], world.home)
    node.access.send(node.update())
    node.expect_acknowledgement(status=129, lifetime=0)
    node.is_reached_at(world.care_of[0])
    # §5.2: that is the response that ends it.
    node.deregister()
    node.is_not_reached()
