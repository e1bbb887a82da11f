"""Steps: a DHoA whose care-of addresses are tested (shared/wire/PROTOCOL.md, section 6.4)."""

import time

import checks
import dmip
import messages
from checks import holds, same
from node import Node
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, MIP6MH_Generic
from steps import step

PENDING, MESG_ID_REQUIRED = 16, 145
COOKIE_LEN = 16
TEST_S, POLL_S = 10, 0.25
# "… plus 3,000": octets of packets in the tunnel, and of each of them here.
FREE_CREDIT, LONG = 3000, 900
BELOW_DATA = len(IPv6() / IPv6() / ICMPv6EchoRequest())


class Roamer(Node):
    """A mobile node that has no home here, but a DHoA; `home` is that."""

    def __init__(self, world, identity, access, correspondent):
        super().__init__(world, identity, access, correspondent)
        self.sequence = 0
        self.cookie = bytes(COOKIE_LEN)
        # When the last test was asked for.
        self.tested_since = 0.0

    def request(self, *options):
        """Asks for a DHoA."""
        self._send(dmip.DHOA_REQUEST, self.world.care_of[0], [dmip.correspondent(self.world.correspondent), *options])

    def move(self, care_of, *options, lifetime=None):
        """A DHP Binding Update."""
        self._send(dmip.BINDING_UPDATE, care_of, [dmip.dhoa(self.home), *options], lifetime)

    def _send(self, kind, care_of, options, lifetime=None):
        self.sequence += 1
        lifetime = self.world.lifetime if lifetime is None else lifetime
        self.access.send(dmip.message(
            self.world.anchor, care_of, self.association, kind,
            sequence=self.sequence, lifetime=lifetime, options=options,
        ))

    def expect_answer(self, kind, care_of, *, status, lifetime=None, dhoa_status=0, mesg_id=None):
        """Receives the answer at the care-of address and checks all of it but the address that it assigns."""
        lifetime = self.world.lifetime if lifetime is None else lifetime
        packet = self.access.receive(
            f"a DMIPv6 message of type {kind} to {care_of}, Status {status}, Sequence # {self.sequence}, Lifetime {lifetime}"
        )
        checks.ends(packet, self.world.anchor, care_of)
        checks.no_extension(packet)
        header = checks.mobility_header(packet, MIP6MH_Generic, "a DMIPv6 message")
        same("the MH Type", header.mhtype, messages.DMIP)
        mh = checks.octets(header)
        checks.authentication(mh, self.association, care_of, self.world.anchor)
        answer = dmip.read(mh)
        for what, expected in (
            ("kind", kind), ("version", dmip.VERSION), ("status", status), ("sequence", self.sequence), ("lifetime", lifetime),
            ("flags", 0), ("dhoa_status", dhoa_status), ("mesg_id", mesg_id),
        ):
            same(f"the {what}", answer[what], expected)
        same("the length of the cookie", len(answer["cookie"] or b""), COOKIE_LEN if status == PENDING else 0)
        return answer

    def expect_test(self, kind, care_of, mesg_id=None):
        """Status 16, with a cookie that is unlike the last one."""
        answer = self.expect_answer(kind, care_of, status=PENDING, mesg_id=mesg_id)
        holds("the cookie is a new one", answer["cookie"] != self.cookie)
        self.cookie = answer["cookie"]
        self.tested_since = time.monotonic()
        return answer

    def expect_bound(self, care_of, lifetime=None):
        """Status 0 to the update, for the DHoA."""
        answer = self.expect_answer(dmip.BINDING_CONFIRMATION, care_of, status=0, lifetime=lifetime)
        same("the DHoA", answer["dhoa"], self.home)

    def long_echo(self, source, destination):
        """An Echo Request that has so many octets in a tunnel."""
        request = self.echo(source, destination)
        request[ICMPv6EchoRequest].data = bytes(LONG - BELOW_DATA)
        return request

    def spread(self, *numbers_and_care_ofs):
        """So many long packets of the correspondent's come to each of the care-of addresses, in this order."""
        expected = [care_of for number, care_of in numbers_and_care_ofs for _ in range(number)]
        requests = [self.long_echo(self.world.correspondent, self.home) for _ in expected]
        for request in requests:
            self.correspondent.send(request)
        for care_of, request in zip(expected, requests):
            if care_of is not None:
                self.tunnelled_at(care_of, request)

    def earns(self, number, care_of):
        """So many long packets go through the tunnel."""
        for _ in range(number):
            request = self.long_echo(self.home, self.world.correspondent)
            self.access.send(self.tunnel(request, care_of))
            self.forwarded(self.correspondent.receive("a long Echo Request, without tunnel"), request)


@step("DMIPv6 §4.1", "a DHP that keeps no sequence numbers asks for MESG-ID: status 145")
def unproven(node):
    roamer = node.roamer
    roamer.request()
    roamer.expect_answer(dmip.DHOA_RESPONSE, node.world.care_of[0], status=MESG_ID_REQUIRED, lifetime=0, dhoa_status=None)


@step("DMIPv6 §6.4", "a DHoA Request: status 16, a Cookie to the care-of address")
def assigned(node):
    roamer = node.roamer
    mesg_id = dmip.mesg_id()
    roamer.request(mesg_id)
    answer = roamer.expect_test(dmip.DHOA_RESPONSE, node.world.care_of[0], mesg_id)
    holds("the DHoA is of the pool", answer["dhoa"].startswith(node.world.dhoa_pool))
    roamer.home = answer["dhoa"]


@step("DMIPv6 §6.4", "until the echo comes 3,000 octets go to the new care-of address, no more")
def limited(node):
    fits = FREE_CREDIT // LONG
    node.roamer.spread((fits, node.world.care_of[0]), (2, None))
    # Whatever had been let through would come first.
    node.roamer.expect_silence(node.world.care_of[0])


@step("DMIPv6 §6.4", "the Cookie echoed in a type 5 with the next Sequence #: status 0, and packets come")
def echoed(node):
    roamer, here = node.roamer, node.world.care_of[0]
    roamer.move(here, dmip.cookie(roamer.cookie))
    roamer.expect_bound(here)
    roamer.spread((2 * FREE_CREDIT // LONG, here))


@step("DMIPv6 §6.4", "a handoff: the new care-of address gets what was sent and is left of 3,000 octets, the old one the rest")
def credited(node):
    roamer, (here, there) = node.roamer, node.world.care_of
    roamer.earns(2, here)
    roamer.move(there)
    roamer.expect_test(dmip.BINDING_CONFIRMATION, there)
    # What the first test has used up counts for 8 s, else naming one address after the other would multiply the credit.
    used = FREE_CREDIT // LONG * LONG
    roamer.spread(((FREE_CREDIT + 2 * LONG - used) // LONG, there), (3, here))
    # What comes through the tunnel from there is accepted, and earns as much.
    roamer.earns(1, there)
    roamer.spread((1, there), (1, here))


@step("DMIPv6 §6.4", "not echoed within 10 s: the old care-of address stays")
def not_echoed(node):
    roamer, (here, there) = node.roamer, node.world.care_of
    roamer.move(there)
    answer = roamer.expect_answer(dmip.BINDING_CONFIRMATION, there, status=PENDING)
    same("the cookie", answer["cookie"], roamer.cookie)
    while True:
        # Enough for what comes meanwhile.
        roamer.access.send(roamer.tunnel(roamer.long_echo(roamer.home, node.world.correspondent), there))
        request = roamer.echo(node.world.correspondent, roamer.home)
        roamer.correspondent.send(request)
        packet = roamer.access.receive(f"Echo Request {request[ICMPv6EchoRequest].seq} in a tunnel", told=False)
        if packet.dst == here:
            break
        holds("the test ends in time", time.monotonic() - roamer.tested_since < 2 * TEST_S)
        time.sleep(POLL_S)
    holds("it does not end before", time.monotonic() - roamer.tested_since > TEST_S - POLL_S)
    roamer.forwarded(checks.tunnelled(packet, node.world.anchor, here), request)
    roamer.spread((2 * FREE_CREDIT // LONG, here))


@step("DMIPv6 §6.4", "another handoff, another Cookie; echoed, the new care-of address gets all")
def moved(node):
    roamer, there = node.roamer, node.world.care_of[1]
    roamer.move(there)
    roamer.expect_test(dmip.BINDING_CONFIRMATION, there)
    roamer.move(there, dmip.cookie(roamer.cookie))
    roamer.expect_bound(there)
    roamer.spread((2 * FREE_CREDIT // LONG, there))


@step("DMIPv6 §4.1", "Lifetime 0 releases the DHoA; nobody has it any more")
def released(node):
    roamer, there = node.roamer, node.world.care_of[1]
    roamer.move(there, lifetime=0)
    roamer.expect_bound(there, lifetime=0)
    roamer.is_not_reached()
