"""Steps: registering, being served, moving."""

import time

import checks
from checks import same
from scapy.layers.inet6 import (
    ICMPv6EchoReply, ICMPv6HAADReply, ICMPv6HAADRequest, ICMPv6MPAdv, ICMPv6MPSol, ICMPv6NDOptPrefixInfo, IPv6,
    MIP6OptUnknown,
)

import messages
from steps import step


def discovers(node, anycast, home_agents):
    """Home agent address discovery (RFC 6275 §10.5.1) for a home prefix names these, in this order."""
    world = node.world
    request = ICMPv6HAADRequest(id=4711, R=0)
    node.access.send(IPv6(src=world.care_of[0], dst=anycast) / request)
    packet = node.access.receive(f"a Home Agent Address Discovery Reply, Identifier 4711: {', '.join(home_agents)}")
    checks.ends(packet, world.anchor, world.care_of[0])
    checks.no_extension(packet)
    reply = checks.layer(packet, ICMPv6HAADReply, "a Home Agent Address Discovery Reply")
    checks.checksum(reply, checks.ICMPV6)
    same("the code", reply.code, 0)
    same("the Identifier", reply.id, 4711)
    same("the reserved bits", (reply.R, reply.res), (0, 0))
    same("the home agents", reply.addresses, home_agents)


@step("RFC 6275 §10.5.1", "home agent address discovery names the home agent")
def discovery(node):
    discovers(node, node.world.home_agents_anycast, [node.world.anchor])


@step("RFC 6275 §9.3.1", "a Home Address option without binding: Binding Error status 1")
def no_binding(node):
    world = node.world
    below = messages.from_home(world.care_of[0], world.anchor, world.home)
    node.access.send(below / node.echo(world.home, world.anchor).payload)
    packet = node.access.receive(f"a Binding Error, Status 1, home address {world.home}")
    checks.binding_error(packet, world.anchor, world.care_of[0], status=1, home=world.home)


@step("RFC 6275 §10.3.2", "ending a registration that is not there: status 133")
def nothing_to_end(node):
    node.access.send(node.update(lifetime=0))
    node.expect_acknowledgement(status=133, lifetime=0)


@step("RFC 6275 §10.4.1", "the home address of an unbound mobile node is unreachable")
def unbound(node):
    node.is_not_reached()


@step("RFC 6275 §10.3.1", "a home registration is accepted")
def registration(node):
    node.register()


@step("RFC 6275 §10.4.2", "a correspondent's echo comes through the tunnel, the reply goes back through it")
def pinged(node):
    world = node.world
    request = node.is_reached_at(world.care_of[0])
    reply = node.reply(request)
    node.access.send(node.tunnel(reply))
    node.forwarded(node.correspondent.receive("the Echo Reply"), reply)


@step("RFC 6275 §10.4.5", "the mobile node's own echo goes through the reverse tunnel")
def reverse_tunnel(node):
    node.reaches_correspondent(node.world.care_of[0])


@step("RFC 6275 §10.4.5", "forged inner sources, and tunnels from elsewhere, are dropped")
def forged(node):
    world = node.world
    for inner_source, outer_source in (
        (world.other_home, world.care_of[0]),
        (world.foreign_home, world.care_of[0]),
        (world.home, world.care_of[1]),
        (world.home, world.foreign_home),
    ):
        inner = node.echo(inner_source, world.correspondent)
        node.access.send(node.tunnel(inner, outer_source))
    # Whatever had been let through would come first.
    node.reaches_correspondent(world.care_of[0])


def directly_answered(node, request):
    """The appliance's own Echo Reply, with a type 2 routing header."""
    world = node.world
    packet = node.access.receive("an Echo Reply")
    checks.ends(packet, world.anchor, world.care_of[0])
    checks.home_in_routing_header(packet, world.home)
    reply = checks.layer(packet, ICMPv6EchoReply, "an Echo Reply")
    checks.checksum(reply, checks.ICMPV6)
    same("the echo", (reply.id, reply.seq, reply.data), (request.id, request.seq, request.data))


@step("RFC 6275 §9.3.1, §9.3.2", "an echo with Home Address option is answered with a type 2 routing header")
def direct_echo(node):
    world = node.world
    request = node.echo(world.home, world.anchor).payload
    node.access.send(messages.from_home(world.care_of[0], world.anchor, world.home) / request)
    directly_answered(node, request)


@step("RFC 6275 §10.4.2", "so is one that comes through the reverse tunnel")
def tunnelled_echo_to_the_agent(node):
    world = node.world
    request = node.echo(world.home, world.anchor)
    node.access.send(node.tunnel(request))
    directly_answered(node, request.payload)


def solicit_prefixes(node, identifier):
    """A Mobile Prefix Solicitation (RFC 6275 §6.7)."""
    world = node.world
    solicitation = ICMPv6MPSol(id=identifier)
    node.access.send(messages.from_home(world.care_of[0], world.anchor, world.home) / solicitation)


def prefix_advertised(node, identifier):
    """Receives a Mobile Prefix Advertisement (§6.8), and gives its only prefix."""
    world = node.world
    packet = node.access.receive(f"a Mobile Prefix Advertisement, Identifier {identifier}, of {world.home_prefix}")
    checks.ends(packet, world.anchor, world.care_of[0])
    checks.home_in_routing_header(packet, world.home)
    advertisement = checks.layer(packet, ICMPv6MPAdv, "a Mobile Prefix Advertisement")
    checks.checksum(advertisement, checks.ICMPV6)
    same("the code", advertisement.code, 0)
    same("the Identifier", advertisement.id, identifier)
    same("the flags", (advertisement.flags, advertisement.res), (0, 0))
    prefix = checks.layer(advertisement, ICMPv6NDOptPrefixInfo, "a Prefix Information option")
    same("the prefix", f"{prefix.prefix}/{prefix.prefixlen}", world.home_prefix)
    same("the L and A bits", (prefix.L, prefix.A), (1, 1))
    checks.holds("there is one prefix", ICMPv6NDOptPrefixInfo not in prefix.payload)
    return prefix


@step("RFC 6275 §10.6.2, §10.6.3", "a Mobile Prefix Solicitation is answered with the home prefix")
def prefixes(node):
    world = node.world
    solicit_prefixes(node, 815)
    prefix = prefix_advertised(node, 815)
    for what, seen, whole in (
        ("the valid lifetime", prefix.validlifetime, world.valid_lifetime),
        ("the preferred lifetime", prefix.preferredlifetime, world.preferred_lifetime),
    ):
        # It runs down in real time (RFC 6275 §10.6.2), and the lab takes no ten minutes.
        checks.holds(f"{what} {seen} is what is left of {whole}", whole - 600 <= seen <= whole)


@step("RFC 6275 §10.6.2", "a reload changes the prefix's lifetimes: told unasked, again after 3 s, until the mobile node asks")
def prefix_changes(node):
    # MaxScheduleDelay is the preferred lifetime then: 1 to 2 seconds.
    changes = {
        f'preferred-lifetime = "{node.world.preferred_lifetime}s"': 'preferred-lifetime = "2s"',
        'prefix-advertisements = "solicited"': 'prefix-advertisements = "on"',
    }
    node.reconfigure(changes)
    begun = time.monotonic()
    prefix = prefix_advertised(node, 0)
    checks.holds("MinMobPfxAdvInterval has passed", time.monotonic() - begun > 0.9)
    checks.holds("the preferred lifetime is the new one", prefix.preferredlifetime <= 2)
    begun = time.monotonic()
    prefix_advertised(node, 0)
    checks.holds("PREFIX_ADV_TIMEOUT has passed", time.monotonic() - begun > 2.9)
    # §11.4.3: what was not asked for is discarded, and asked for.
    begun = time.monotonic()
    solicit_prefixes(node, 816)
    prefix_advertised(node, 816)
    checks.holds("not more than one a second", time.monotonic() - begun > 0.9)
    node.reconfigure({new: old for old, new in changes.items()})


@step("RFC 6275 §6.2.1", "an unknown mobility option is skipped")
def unknown_option(node):
    node.access.send(node.update(extra=[MIP6OptUnknown(otype=99, odata=b"\1\2\3\4\5")]))
    node.expect_acknowledgement()


@step("RFC 6275 §10.3.1", "the mobile node moves: echoes come to the new care-of address")
def moves(node):
    there = node.world.care_of[1]
    node.register(there)
    node.is_reached_at(there)
    node.reaches_correspondent(there)


@step("RFC 6275 §9.5.1", "and back, with the Sequence # that follows 65535")
def moves_back(node):
    here, there = node.world.care_of
    # Within 2^15 of the last one.
    node.access.send(node.update(there, sequence=0xFFFF))
    node.expect_acknowledgement(there, sequence=0xFFFF)
    same("the next Sequence #", node.next, 0)
    node.register(here)
    node.is_reached_at(here)
