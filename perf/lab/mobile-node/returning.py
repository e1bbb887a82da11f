"""Steps: a real home link. The mobile node leaves it, is stood in for, and comes home (RFC 6275 §10.4.1, §11.5.5)."""

import time

from scapy.layers.inet6 import IPv6

import checks
import messages
from checks import holds, same
from leaving import revocation_indication
from serving import discovers
from steps import step


def leaves(who, link, *, tested, advertised, flags="HA"):
    """A registration from a visited link, up to the last advertisement of its addresses."""
    begun = time.monotonic()
    who.access.send(who.update(flags=flags))
    for address in tested:
        link.is_tested(address)
    who.expect_acknowledgement()
    # RFC 4862 §5.1: RetransTimer, one second.
    holds("there was time to claim the addresses", not tested or time.monotonic() - begun > 0.9)
    link.are_advertised(*advertised)


def comes_home(who, link, **changes):
    """De-registers from the home link: from its home address, to the link-layer address of its home agent."""
    arguments = {"lifetime": 0, "status": 0, "option": False, "sequence": who.next} | changes
    status, option = arguments.pop("status"), arguments.pop("option")
    update = who.update(who.home, at_home=not option, **arguments)
    link.send(update, link.plan.node_mac)
    frame = link.receive(f"a Binding Acknowledgement for {who.home}, Status {status}, without routing header")
    same("the MAC addresses", (frame.src, frame.dst), (link.plan.gateway_mac, link.plan.node_mac))
    sequence = who.accepted if status == 135 else arguments["sequence"]
    who.check_acknowledgement(frame[IPv6], who.home, status=status, lifetime=0, sequence=sequence)


def reached_on_link(node, who, link):
    """The correspondent's echo comes to the mobile node's own MAC address."""
    request = who.echo(node.world.correspondent, who.home)
    node.correspondent.send(request)
    frame = link.receive("the correspondent's Echo Request, to the mobile node's MAC address")
    same("the MAC addresses", (frame.src, frame.dst), (link.plan.gateway_mac, link.plan.node_mac))
    who.forwarded(frame[IPv6], request)
    reply = who.reply(frame[IPv6])
    link.send(reply, link.plan.node_mac)
    who.forwarded(node.correspondent.receive("the Echo Reply"), reply)


@step("RFC 6275 §10.3.1, §10.4.1", "the home address is tested for duplicates on the link, then advertised to all nodes thrice")
def leaving_home(node):
    for who in (node.bystander, node.resident):
        leaves(who, node.home_link, tested=[who.home], advertised=[who.home])


@step("RFC 6275 §8.4, §10.5.1", "home agent address discovery for a real home link names the home agent")
def alone(node):
    discovers(node, node.home_link.plan.home_agents_anycast, [node.world.anchor])


@step("RFC 6275 §10.5.1", "another home agent advertises itself on the link, with a preference of 10: it comes first")
def another_agent(node):
    link = node.home_link
    link.advertise_router(home_agent=1)
    discovers(node, link.plan.home_agents_anycast, [link.plan.other_agent, node.world.anchor])


@step("RFC 6275 §10.5.1", "it is no home agent any more: it is not named")
def no_other_agent(node):
    link = node.home_link
    link.advertise_router(home_agent=0)
    discovers(node, link.plan.home_agents_anycast, [node.world.anchor])


@step("RFC 6275 §10.4.1", "a neighbour's solicitation is answered by proxy")
def proxy(node):
    node.home_link.is_answered_for(node.resident.home)


@step("RFC 6275 §10.4.1, §10.4.2", "a neighbour's echo is intercepted and tunnelled, the reply comes out on the home link")
def neighbour_pings(node):
    who, link = node.resident, node.home_link
    request = who.echo(link.plan.neighbour, who.home)
    link.send(request, link.plan.neighbour_mac)
    inner = who.tunnelled_at(node.world.care_of[0], request)
    reply = who.reply(inner)
    node.access.send(who.tunnel(reply))
    frame = link.receive("the Echo Reply")
    same("the MAC addresses", (frame.src, frame.dst), (link.plan.gateway_mac, link.plan.neighbour_mac))
    who.forwarded(frame[IPv6], reply)


@step("RFC 6275 §10.4.1", "another's test of the home address is answered: it is defended")
def defended(node):
    node.home_link.is_defended(node.resident.home, node.home_link.plan.neighbour_mac)


@step("RFC 6275 §10.3.1", "with L=0 the link-local address is nobody's but the mobile node's")
def without_l(node):
    node.home_link.is_left_alone(node.world.resident.link_local)


@step("RFC 6275 §10.3.1, §10.4.1", "with L=1 the link-local address is tested, advertised, answered for and defended too")
def with_l(node):
    who, link = node.resident, node.home_link
    own = node.world.resident.link_local
    leaves(who, link, tested=[own], advertised=[own], flags="HAL")
    link.is_answered_for(own)
    link.is_defended(own, link.plan.neighbour_mac)
    link.is_answered_for(who.home)


@step("RFC 6275 §10.4.2", "a packet to the link-local address is not tunnelled: Destination Unreachable code 3")
def to_link_local(node):
    who, link = node.resident, node.home_link
    request = who.echo(link.plan.neighbour, node.world.resident.link_local)
    link.send(request, link.plan.neighbour_mac)
    frame = link.receive("an ICMPv6 Destination Unreachable, code 3")
    same("the MAC addresses", (frame.src, frame.dst), (link.plan.gateway_mac, link.plan.neighbour_mac))
    checks.icmp_error(frame[IPv6], node.world.anchor, link.plan.neighbour, kind=1, code=3, cause=request)
    who.expect_silence(node.world.care_of[0])


@step("RFC 6275 §10.3.2", "a de-registration from home that is refused: told to the link-layer address, and still intercepted")
def refused_at_home(node):
    who, link = node.resident, node.home_link
    comes_home(who, link, sequence=who.accepted, status=135)
    link.is_answered_for(who.home)


@step("RFC 6275 §11.5.5", "the mobile node returns: it learns the home agent's link-layer address from the answer to its own test")
def learns_the_agent(node):
    node.home_link.is_defended(node.resident.home, node.home_link.plan.node_mac)


@step("RFC 6275 §10.3.2, §11.5.5", "it de-registers from its home link; the home agent stands in for neither address any more")
def returns(node):
    who, link = node.resident, node.home_link
    comes_home(who, link)
    link.stations[who.home] = link.plan.node_mac
    link.claim(who.home, link.plan.node_mac)
    link.is_left_alone(who.home, node.world.resident.link_local)


@step("RFC 6275 §10.3.2", "packets reach the mobile node on its home link, directly")
def at_home(node):
    reached_on_link(node, node.resident, node.home_link)


@step("RFC 6275 §10.3.2", "a Binding Update that the return has overtaken: status 135, and nobody stands in for the mobile node")
def overtaken_by_return(node):
    who = node.resident
    node.access.send(who.update(sequence=(who.accepted - 1) % 0x10000))
    who.expect_acknowledgement(status=135, lifetime=0, sequence=who.accepted)
    node.home_link.is_left_alone(who.home)


@step("RFC 6275 §10.3.1", "it leaves while somebody on the link has its home address: status 134")
def duplicate(node):
    who, link = node.resident, node.home_link
    node.access.send(who.update())
    link.is_tested(who.home)
    link.claim(who.home, link.plan.neighbour_mac)
    who.expect_acknowledgement(status=134, lifetime=0)
    link.is_left_alone(who.home)


@step("RFC 6275 §10.3.1, §10.3.2", "it leaves again, and returns with a Home Address option, which it need not have")
def returns_with_option(node):
    who, link = node.resident, node.home_link
    del link.stations[who.home]
    leaves(who, link, tested=[who.home], advertised=[who.home])
    comes_home(who, link, option=True)
    link.is_left_alone(who.home)


@step("RFC 5846 §6.2.2, RFC 6275 §10.4.1", "revoked while away: its home address is nobody's on the home link")
def revoked(node):
    who, link = node.resident, node.home_link
    leaves(who, link, tested=[who.home], advertised=[who.home])
    node.dhpctl("revoke", who.home)
    sequence = revocation_indication(who)
    acknowledge = (node.world.anchor, node.world.care_of[0], who.home, who.association)
    node.access.send(messages.revocation_acknowledgement(*acknowledge, sequence=sequence))
    who.expect_silence(node.world.care_of[0])
    link.is_left_alone(who.home)
