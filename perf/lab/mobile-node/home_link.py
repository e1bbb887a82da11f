"""The home link, an Ethernet: the appliance is its router and home agent, the script is all other stations."""

import socket
import time

from scapy.compat import raw
from scapy.layers.inet6 import (
    ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6NDOptDstLLAddr, ICMPv6NDOptHAInfo, ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr, IPv6,
)
from scapy.layers.l2 import Ether
from scapy.utils6 import in6_getnsma, in6_getnsmac

import checks
import messages
import record
from checks import Mismatch, holds, same
from link import ETH_P_IPV6, PATIENCE_S

ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
# Another router on the link.
OTHER_ROUTER, OTHER_ROUTER_MAC = "fe80::2", "02:d5:00:00:03:99"
# MAX_NEIGHBOR_ADVERTISEMENT of RFC 4861 §10.
ADVERTISEMENTS = 3


def group_of(address):
    """The solicited-node multicast address, and its MAC address."""
    group = in6_getnsma(messages.packed(address))
    return socket.inet_ntop(socket.AF_INET6, group), in6_getnsmac(group)


class HomeLink:
    """All stations of the link but the router."""

    def __init__(self, plan):
        self.plan = plan
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IPV6))
        self._socket.bind((plan.interface, ETH_P_IPV6))
        # Who answers the router's solicitations, as each host does.
        self.stations = {plan.neighbour: plan.neighbour_mac}

    def send(self, packet, source_mac, destination_mac=None):
        """A frame from a station; to the router, unless it is for others."""
        frame = Ether(src=source_mac, dst=destination_mac or self.plan.gateway_mac) / packet
        self._socket.send(raw(frame))

    def receive(self, what, within=PATIENCE_S, told=True):
        """The next frame of the router's that concerns a mobile node, or is for one."""
        if told:
            record.expect(f"home link: {what}")
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                octets, sender = self._socket.recvfrom(65536)
            except TimeoutError:
                break
            frame = Ether(octets)
            if sender[2] == socket.PACKET_OUTGOING or self._is_the_kernel_s(frame[IPv6]):
                continue
            if told:
                record.see(f"home link: to {frame.dst}: {record.described(frame[IPv6])}")
            return frame
        raise Mismatch(f"{what} did not come within {within:g} s")

    def _is_the_kernel_s(self, packet):
        """Whether it is the routine of a router and its hosts: what is asked of a host is answered."""
        if ICMPv6ND_NS in packet and packet.src != "::":
            asked = packet[ICMPv6ND_NS].tgt
            if asked in self.stations:
                self._answer(packet.src, asked)
            return True
        # Multicast listener reports, router solicitations.
        return packet.dst.startswith("ff") and ICMPv6ND_NS not in packet and ICMPv6ND_NA not in packet

    def _answer(self, to, address):
        mac = self.stations[address]
        header = IPv6(src=address, dst=to, hlim=255)
        self.send(header / ICMPv6ND_NA(tgt=address, R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac), mac)

    def forget(self):
        """Drops what has come so far."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(65536):
                pass
        except BlockingIOError:
            pass

    def solicit(self, address):
        """The neighbour asks for an address (RFC 4861 §4.3)."""
        group, mac = group_of(address)
        header = IPv6(src=self.plan.neighbour, dst=group, hlim=255)
        option = ICMPv6NDOptSrcLLAddr(lladdr=self.plan.neighbour_mac)
        self.send(header / ICMPv6ND_NS(tgt=address) / option, self.plan.neighbour_mac, mac)

    def test(self, address, mac):
        """A station tests an address for duplicates (RFC 4862 §5.4.2)."""
        group, group_mac = group_of(address)
        self.send(IPv6(src="::", dst=group, hlim=255) / ICMPv6ND_NS(tgt=address), mac, group_mac)

    def claim(self, address, mac):
        """A station tells all nodes that it has an address (RFC 4861 §7.2.6)."""
        header = IPv6(src=address, dst=ALL_NODES, hlim=255)
        message = ICMPv6ND_NA(tgt=address, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)
        self.send(header / message, mac, ALL_NODES_MAC)

    def advertise_router(self, home_agent):
        """Another router advertises its address in the prefix, and itself as a home agent or not (RFC 6275 §7.1 to §7.4)."""
        header = IPv6(src=OTHER_ROUTER, dst=ALL_NODES, hlim=255)
        prefix = ICMPv6NDOptPrefixInfo(prefix=self.plan.other_agent, prefixlen=64, L=1, A=1, R=1)
        message = ICMPv6ND_RA(H=home_agent, routerlifetime=1800) / prefix / ICMPv6NDOptHAInfo(pref=10, lifetime=1800)
        self.send(header / message, OTHER_ROUTER_MAC, ALL_NODES_MAC)
        # Discovery comes to the home agent on another wire: that it has heard the advertisement shows in an answer here.
        self.is_left_alone()

    def is_tested(self, address):
        """The home agent tests an address for duplicates, by a solicitation without options."""
        frame = self.receive(f"a Neighbor Solicitation from :: for {address}")
        group, mac = group_of(address)
        same("the MAC address", frame.dst, mac)
        checks.ends(frame[IPv6], "::", group)
        same("the hop limit", frame[IPv6].hlim, 255)
        message = checks.layer(frame[IPv6], ICMPv6ND_NS, "a Neighbor Solicitation")
        same("the target", message.tgt, address)
        holds("there are no options", not message.payload)
        checks.checksum(message, checks.ICMPV6)

    def are_advertised(self, *addresses):
        """The home agent has all nodes send to it what is for these addresses (RFC 6275 §10.4.1)."""
        for _ in range(ADVERTISEMENTS):
            for address in addresses:
                self._is_advertised(address, ALL_NODES, ALL_NODES_MAC, solicited=0, override=1)

    def is_answered_for(self, address):
        """The home agent answers the neighbour, as a proxy without Override (RFC 4861 §7.2.8)."""
        self.solicit(address)
        self._is_advertised(address, self.plan.neighbour, self.plan.neighbour_mac, solicited=1, override=0)

    def is_defended(self, address, mac):
        """The home agent answers another's test of the address."""
        self.test(address, mac)
        self._is_advertised(address, ALL_NODES, ALL_NODES_MAC, solicited=0, override=0)

    def _is_advertised(self, address, to, to_mac, *, solicited, override, told=True):
        frame = self.receive(f"a Neighbor Advertisement of {address} to {to}, R=0 S={solicited} O={override}", told=told)
        same("the MAC addresses", (frame.src, frame.dst), (self.plan.gateway_mac, to_mac))
        packet = frame[IPv6]
        holds("the source is link-local", packet.src.startswith("fe80:"))
        same("the destination", packet.dst, to)
        same("the hop limit", packet.hlim, 255)
        message = checks.layer(packet, ICMPv6ND_NA, "a Neighbor Advertisement")
        same("the target", message.tgt, address)
        same("the flags R, S and O", (message.R, message.S, message.O), (0, solicited, override))
        option = checks.layer(message, ICMPv6NDOptDstLLAddr, "a Target Link-Layer Address option")
        same("the link-layer address", option.lladdr, self.plan.gateway_mac)
        checks.checksum(message, checks.ICMPV6)

    def is_left_alone(self, *addresses):
        """The home agent answers for none of these.

        Solicitations are heard in their order. The last one is for an address that it does answer for, so no time has to
        pass."""
        for address in addresses:
            record.expect(f"home link: nothing about {address}")
            self.solicit(address)
            self.test(address, self.plan.neighbour_mac)
        other = self.plan.bystander.home
        self.solicit(other)
        self._is_advertised(other, self.plan.neighbour, self.plan.neighbour_mac, solicited=1, override=0, told=False)
        if addresses:
            record.see("home link: nothing")
