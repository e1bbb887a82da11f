"""The scripted mobile node and its correspondent: both ends of every path through the appliance."""

import subprocess

from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6

import checks
import messages
from checks import Mismatch
from link import Link


class Node:
    """State that RFC 6275 §11.1 has a mobile node keep, and the links to the appliance."""

    def __init__(self, world):
        self.world = world
        self.access = Link(world.access)
        self.correspondent = Link(world.correspondent_link)
        # The Sequence # that was accepted last. RFC 6275 §11.7.1: the next update has a greater one, modulo 2^16. It will
        # wrap around.
        self.accepted = 0xFFF0
        self._echo = 0

    @property
    def next(self):
        """The number of the next Binding Update. Whatever is not accepted does not use it up."""
        return (self.accepted + 1) % 0x10000

    def update(self, care_of=None, **changes):
        """A Binding Update for the home address, with whatever is to be wrong in it."""
        world = self.world
        arguments = {
            "home": world.home, "association": world.association, "sequence": self.next, "lifetime": world.lifetime,
        } | changes
        return messages.binding_update(world.anchor, care_of or world.care_of[0], **arguments)

    def expect_acknowledgement(self, care_of=None, **changes):
        """Receives a Binding Acknowledgement, checks all of it but what it says of BIDs and flows, and returns it."""
        world = self.world
        expected = {
            "status": 0, "sequence": self.next, "lifetime": world.lifetime, "care_of": care_of or world.care_of[0],
            "home": world.home, "association": world.association,
        } | changes
        packet = self.access.receive("a Binding Acknowledgement")
        checks.acknowledgement(packet, world, **expected)
        if expected["status"] < 128:
            self.accepted = expected["sequence"]
        return packet

    def register(self, care_of=None):
        """A home registration that has to be accepted."""
        self.access.send(self.update(care_of))
        self.expect_acknowledgement(care_of)

    def deregister(self, care_of=None):
        """Its end, which has to be accepted."""
        self.access.send(self.update(care_of, lifetime=0))
        self.expect_acknowledgement(care_of, lifetime=0)

    def expect_silence(self, source):
        """Nothing has been answered so far.

        Signalling is answered in its order: what is sent after it is answered after it, so no time has to pass. What is sent
        is of a type that has an answer of its own."""
        self.access.send(messages.unknown_type(source, self.world.anchor))
        packet = self.access.receive("the answer to what was sent after it")
        try:
            checks.binding_error(packet, self.world.anchor, source, status=2, home="::")
        except Mismatch:
            raise Mismatch(f"answered with {packet.summary()}") from None

    def echo(self, source, destination, hop_limit=64):
        """An Echo Request that is unlike all others."""
        self._echo += 1
        message = ICMPv6EchoRequest(id=0x6275, seq=self._echo, data=b"scripted mobile node")
        return IPv6(src=source, dst=destination, hlim=hop_limit) / message

    def reply(self, request):
        """The reply to an Echo Request."""
        asked = request[ICMPv6EchoRequest]
        return IPv6(src=request.dst, dst=request.src) / ICMPv6EchoReply(id=asked.id, seq=asked.seq, data=asked.data)

    def tunnel(self, inner, care_of=None):
        """Into the tunnel to the appliance (RFC 6275 §11.3.1)."""
        return IPv6(src=care_of or self.world.care_of[0], dst=self.world.anchor) / inner

    def is_reached_at(self, care_of):
        """The correspondent's echo comes to the care-of address through the tunnel."""
        request = self.echo(self.world.correspondent, self.world.home)
        self.correspondent.send(request)
        outer = self.access.receive("the correspondent's Echo Request")
        inner = checks.tunnelled(outer, self.world.anchor, care_of)
        self.forwarded(inner, request)
        return inner

    def is_not_reached(self):
        """The correspondent is told that nobody has the address (RFC 4443 §3.1, code 3)."""
        request = self.echo(self.world.correspondent, self.world.home)
        self.correspondent.send(request)
        answer = self.correspondent.receive("an ICMPv6 error for the correspondent")
        checks.icmp_error(answer, self.world.anchor, self.world.correspondent, kind=1, code=3, cause=request)

    def reaches_correspondent(self, care_of):
        """What goes into the tunnel comes out at the correspondent, and nothing came out before it."""
        request = self.echo(self.world.home, self.world.correspondent)
        self.access.send(self.tunnel(request, care_of))
        self.forwarded(self.correspondent.receive("the mobile node's Echo Request"), request)

    @staticmethod
    def forwarded(packet, sent):
        """It is the packet that was sent, one hop further (RFC 8200 §3)."""
        checks.same("the hop limit", packet.hlim, sent.hlim - 1)
        seen, expected = bytes(packet), bytes(sent)
        checks.same("the packet", seen[:7] + seen[8:], expected[:7] + expected[8:])

    def dhpctl(self, *words):
        """Asks the appliance's operator interface."""
        done = subprocess.run([*self.world.dhpctl, *words], capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != 0:
            raise Mismatch(f"dhpctl {' '.join(words)}: {done.stderr.strip()}")
