"""A scripted mobile node and its correspondent: both ends of every path through the appliance."""

import json
import subprocess
from pathlib import Path

from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6

import checks
import messages
import record
from checks import Mismatch


class Node:
    """State that RFC 6275 §11.1 has a mobile node keep, and the links to the appliance."""

    def __init__(self, world, identity, access, correspondent):
        self.world = world
        self.home, self.association = identity.home, identity.association
        self.access, self.correspondent = access, correspondent
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
            "home": self.home, "association": self.association, "sequence": self.next, "lifetime": world.lifetime,
        } | changes
        return messages.binding_update(world.anchor, care_of or world.care_of[0], **arguments)

    def expect_acknowledgement(self, care_of=None, **changes):
        """Receives a Binding Acknowledgement, checks all of it but what it says of BIDs and flows, and returns it."""
        expected = self._acknowledgement(care_of, **changes)
        what = (
            f"a Binding Acknowledgement to {expected['care_of']}, Status {expected['status']}, "
            f"Sequence # {expected['sequence']}, Lifetime {expected['lifetime']}, type 2 routing header {expected['home']}"
        )
        return self._check_acknowledgement(self.access.receive(what), expected)

    def check_acknowledgement(self, packet, care_of=None, **changes):
        """Checks all of a Binding Acknowledgement that has come already."""
        self._check_acknowledgement(packet, self._acknowledgement(care_of, **changes))

    def _acknowledgement(self, care_of, **changes):
        world = self.world
        return {
            "status": 0, "sequence": self.next, "lifetime": world.lifetime, "care_of": care_of or world.care_of[0],
            "home": self.home, "association": self.association,
        } | changes

    def _check_acknowledgement(self, packet, expected):
        checks.acknowledgement(packet, self.world, **expected)
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
        record.expect("no answer")
        self.access.send(messages.unknown_type(source, self.world.anchor))
        packet = self.access.receive("the answer to what was sent after it", told=False)
        try:
            checks.binding_error(packet, self.world.anchor, source, status=2, home="::")
        except Mismatch:
            record.see(record.described(packet))
            raise Mismatch(f"answered with {record.described(packet)}") from None
        record.see("no answer")

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
        request = self.echo(self.world.correspondent, self.home)
        self.correspondent.send(request)
        return self.tunnelled_at(care_of, request)

    def tunnelled_at(self, care_of, request):
        """An Echo Request comes to the care-of address through the tunnel."""
        outer = self.access.receive(f"Echo Request {request[ICMPv6EchoRequest].seq} in a tunnel to {care_of}")
        inner = checks.tunnelled(outer, self.world.anchor, care_of)
        self.forwarded(inner, request)
        return inner

    def is_not_reached(self):
        """The correspondent is told that nobody has the address (RFC 4443 §3.1, code 3)."""
        request = self.echo(self.world.correspondent, self.home)
        self.correspondent.send(request)
        answer = self.correspondent.receive("an ICMPv6 Destination Unreachable, code 3")
        checks.icmp_error(answer, self.world.anchor, self.world.correspondent, kind=1, code=3, cause=request)

    def reaches_correspondent(self, care_of):
        """What goes into the tunnel comes out at the correspondent, and nothing came out before it."""
        request = self.echo(self.home, self.world.correspondent)
        self.access.send(self.tunnel(request, care_of))
        what = f"Echo Request {request[ICMPv6EchoRequest].seq} of {self.home}, without tunnel"
        self.forwarded(self.correspondent.receive(what), request)

    @staticmethod
    def forwarded(packet, sent):
        """It is the packet that was sent, one hop further (RFC 8200 §3)."""
        checks.same("the hop limit", packet.hlim, sent.hlim - 1)
        seen, expected = bytes(packet), bytes(sent)
        checks.same("the packet", seen[:7] + seen[8:], expected[:7] + expected[8:])

    def dropped(self, reason):
        """How many messages the appliance has dropped for a reason."""
        counters = json.loads(self.dhpctl("show", "counters", "--json"))
        return counters["engine"][f"dhp_signalling_dropped_total{{reason={reason}}}"]

    def reconfigure(self, changes):
        """Changes lines of the appliance's configuration and has it read again."""
        path = Path(self.world.configuration)
        text = path.read_text(encoding="utf-8")
        for old, new in changes.items():
            checks.holds(f"the configuration has {old}", old in text)
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
        self.dhpctl("reload")

    def dhpctl(self, *words):
        """Asks the appliance's operator interface, and gives its answer."""
        done = subprocess.run([*self.world.dhpctl, *words], capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != 0:
            raise Mismatch(f"dhpctl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout
