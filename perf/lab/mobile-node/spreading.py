"""Steps: several care-of addresses at once (RFC 5648), and flows that go to some of them (RFC 6089, RFC 6088)."""

import struct

import checks
import messages
from checks import same
from scapy.layers.inet6 import MIP6MH_BA, MIP6OptUnknown
from steps import step

BINDING_IDENTIFIER, FLOW_SUMMARY, FLOW_IDENTIFICATION = 35, 44, 45
# The O flag, in scapy's words: it knows no flag behind P.
OVERWRITE = 0x40
# How the mobile node ranks its care-of addresses: BID-PRI by BID.
PRIORITIES = {1: 10, 2: 20}


class Even(MIP6OptUnknown):
    """An option with the alignment of RFC 5648 §4.3 and RFC 6089 §4.2."""

    x, y = 2, 0


class WithAddress(MIP6OptUnknown):
    """A Binding Identifier option with an IPv6 care-of address."""

    x, y = 8, 2


def identifier(bid, care_of=None):
    """A Binding Identifier option (RFC 5648 §4.3, RFC 6089 §4.1)."""
    fixed = struct.pack("!HBB", bid, 0, PRIORITIES.get(bid, 30))
    if care_of is None:
        return Even(otype=BINDING_IDENTIFIER, odata=fixed)
    return WithAddress(otype=BINDING_IDENTIFIER, odata=fixed + messages.packed(care_of))


def both(node):
    """Binding Identifier options of both care-of addresses."""
    here, there = node.world.care_of
    return [identifier(1, here), identifier(2, there)]


def flow(fid, *sub_options):
    """A Flow Identification option (RFC 6089 §4.2) whose priority is its number."""
    return Even(otype=FLOW_IDENTIFICATION, odata=struct.pack("!HHBB", fid, fid, 0, 0) + b"".join(sub_options))


def summary(*fids):
    """A Flow Summary option (RFC 6089 §4.2.2)."""
    return Even(otype=FLOW_SUMMARY, odata=struct.pack(f"!{len(fids)}H", *fids))


def to(*bids):
    """A Binding Reference sub-option (RFC 6089 §4.2.1.3)."""
    return struct.pack(f"!BB{len(bids)}H", 2, 2 * len(bids), *bids)


def protocol(number):
    """A Traffic Selector sub-option for a Next Header value (RFC 6088 §3.2: format 2, flag O)."""
    return struct.pack("!BBBBHHB", 3, 7, 2, 0, 0x0002, 0, number)


def echoes(*sub_options):
    """The flow of the correspondent's echoes."""
    return flow(7, protocol(checks.ICMPV6), *sub_options)


def update(node, options, *, overwrite=False, **changes):
    """A Binding Update with these options. RFC 5648 §5.2: "the alternate Care-of Address option MUST NOT be included"."""
    reserved = OVERWRITE if overwrite else 0
    return node.update(extra=options, names_care_of=False, reserved=reserved, **changes)


def asked(node, options, *, bids=(), flows=(), status=0, overwrite=False, **changes):
    """Sends it, and checks the acknowledgement with its options: pairs of BID or FID, and status."""
    node.access.send(update(node, options, overwrite=overwrite, **changes))
    packet = node.expect_acknowledgement(status=status, **({"lifetime": 0} if status >= 128 else changes))
    mh = checks.octets(checks.layer(packet, MIP6MH_BA, "a Binding Acknowledgement"))
    seen_bids, seen_flows = [], []
    for at, kind in messages.options(mh):
        if kind == BINDING_IDENTIFIER:
            length, bid, answered, priority = struct.unpack_from("!BHBB", mh, at + 1)
            # RFC 5648 §4.3: "in any messages other than a Binding Update, the length of this field MUST also be zero".
            same("the length of the Binding Identifier option", length, 4)
            same("the H flag and BID-PRI, which are copied", priority, PRIORITIES.get(bid, 30))
            seen_bids.append((bid, answered))
        elif kind == FLOW_IDENTIFICATION:
            fid, _, _, answered = struct.unpack_from("!HHBB", mh, at + 2)
            seen_flows.append((fid, answered))
    same("the BIDs", seen_bids, list(bids))
    same("the flows", seen_flows, list(flows))


@step("RFC 5648 §6.2", "a BID where there is a binding without: status 165, and that binding stays")
def without_overwrite(node):
    here, there = node.world.care_of
    asked(node, [identifier(2, there)], status=165, bids=[(2, 0)])
    node.is_reached_at(here)


@step("RFC 5648 §6.2", "with the O flag two care-of addresses take its place; the preferred one gets the echoes")
def overwrite(node):
    here, _ = node.world.care_of
    asked(node, both(node), overwrite=True, bids=[(1, 0), (2, 0)])
    node.is_reached_at(here)


@step("RFC 5648 §6.5", "both are good for what the mobile node sends")
def from_both(node):
    for care_of in node.world.care_of:
        node.reaches_correspondent(care_of)


@step("RFC 5648 §4.4", "a BID that is unknown and brings no care-of address: status 4, and 167 in its option")
def not_complete(node):
    asked(node, [identifier(1), identifier(9)], status=4, bids=[(1, 0), (9, 167)])


@step("RFC 5648 §4.4", "the same alone: status 167")
def unknown_bid(node):
    asked(node, [identifier(9)], status=167, bids=[(9, 0)])


@step("RFC 5648 §6.2", "a Binding Identifier option of a wrong length: status 164")
def wrong_length(node):
    asked(node, [Even(otype=BINDING_IDENTIFIER, odata=b"\0\1\0\x0a\x01\x02")], status=164)


@step("RFC 6089 §5.3.2.1", "flows without selector, of an unknown format, to an unknown BID: flow status 130, 133, 131")
def refused_flows(node):
    unknown_format = bytes([3, 2, 99, 0])
    options = [
        identifier(1), flow(1, to(1)), flow(2, unknown_format, to(1)), flow(3, protocol(6), to(9)), flow(4, protocol(6)),
    ]
    asked(node, options, bids=[(1, 0)], flows=[(1, 130), (2, 133), (3, 131), (4, 130)])


@step("RFC 6089 §5.3.6", "a flow goes to its care-of address")
def steered(node):
    _, there = node.world.care_of
    asked(node, [identifier(1), echoes(to(2))], bids=[(1, 0)], flows=[(7, 0)])
    node.is_reached_at(there)


@step("RFC 6089 §5.3.3", "a Flow Summary keeps it; an unknown FID gets flow status 132")
def summarized(node):
    _, there = node.world.care_of
    asked(node, [identifier(2), summary(7, 8)], bids=[(2, 0)], flows=[(8, 132)])
    node.is_reached_at(there)


@step("RFC 6089 §5.3.6", "a copy goes to each of several")
def copied(node):
    world = node.world
    asked(node, [identifier(1), flow(7, to(1, 2))], bids=[(1, 0)], flows=[(7, 0)])
    request = node.echo(world.correspondent, world.home)
    node.correspondent.send(request)
    copies = [node.access.receive("a copy of the Echo Request") for _ in world.care_of]
    same("where copies went", sorted(copy.dst for copy in copies), sorted(world.care_of))
    for copy in copies:
        node.forwarded(checks.tunnelled(copy, world.anchor, copy.dst), request)


@step("RFC 6089 §5.3.4", "a flow that is not mentioned is removed")
def not_mentioned(node):
    here, _ = node.world.care_of
    asked(node, [identifier(1)], bids=[(1, 0)])
    node.is_reached_at(here)


@step("RFC 5648 §5.4", "one care-of address is de-registered; the other one serves")
def one_less(node):
    _, there = node.world.care_of
    asked(node, [identifier(1)], lifetime=0, bids=[(1, 0)])
    node.is_reached_at(there)


@step("RFC 5648 §6.2", "a Binding Update without BID takes the place of all")
def plain_again(node):
    node.register()
    node.is_reached_at(node.world.care_of[0])
