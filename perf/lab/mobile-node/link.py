"""One end of a wire: packets out and in by a packet socket, packet(7)."""

import socket
import time

from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.compat import raw

import record
from checks import Mismatch

ETH_P_IPV6 = 0x86DD
# An answer that takes longer is taken for none: the appliance answers in milliseconds, the machine may be busy.
PATIENCE_S = 5.0


class Link:
    """The wire to one port of the appliance."""

    def __init__(self, plan, name):
        self._name = name
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IPV6))
        self._socket.bind((plan.interface, ETH_P_IPV6))
        mac = self._socket.getsockname()[4]
        self._header = {"src": mac.hex(":"), "dst": plan.gateway_mac}

    def send(self, packet):
        """Sends an IPv6 packet to the appliance."""
        self._socket.send(raw(Ether(**self._header) / packet))

    def receive(self, what, within=PATIENCE_S, told=True):
        """The next packet that is for somebody behind this end."""
        if told:
            record.expect(f"{self._name}: {what}")
        packet = self.receive_or_none(within)
        if packet is None:
            raise Mismatch(f"{what} did not come within {within:g} s")
        if told:
            record.see(f"{self._name}: {record.described(packet)}")
        return packet

    def receive_or_none(self, within):
        """The same; None when nothing came within so many seconds."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                packet = IPv6(self._socket.recv(65536)[14:])
            except TimeoutError:
                break
            # Neighbour discovery and multicast listener reports are the kernels' own business.
            if not packet.dst.startswith(("ff", "fe80:", "2001:db8:f:")):
                return packet
        return None

    def forget(self):
        """Drops what has come so far; what a step left behind is not the next one's."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(65536):
                pass
        except BlockingIOError:
            pass
