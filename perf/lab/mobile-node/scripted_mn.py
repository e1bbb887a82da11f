#!/usr/bin/env python3
"""Scripted RFC 6275 and DMIPv6 mobile nodes, and their correspondent, against an appliance at the other end of three wires.

They build each message by scapy, authenticate it by RFC 4285 (HMAC-SHA1-96), and check each field of each answer. For
each step: the RFC's section, what it says, what was expected to come, and what came. Exit status 0: all as the RFCs say; 3: some
step was not.
"""

import argparse
import json
import logging
import sys

try:
    import scapy.layers.inet6
except ModuleNotFoundError:
    sys.exit("scapy is not installed for this Python; on Debian: apt install python3-scapy, and use /usr/bin/python3")

# It would tell of the routes that this namespace has not.
logging.getLogger("scapy").setLevel(logging.ERROR)

import leaving
import record
import refusing
import returning
import roaming
import serving
import spreading
import steps
import world
from checks import Mismatch
from home_link import HomeLink
from link import Link
from node import Node

STEPS_FAILED = 3


def main():
    """Runs all steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", help="file that says where everything is; dhp-lab conformance writes it")
    parser.add_argument("--json", action="store_true", help="a JSON object per line instead of text")
    arguments = parser.parse_args()
    node = settle(world.read(arguments.world))
    failed = 0
    # What is refused is so while the home address is bound.
    for step in [*steps.of(serving), *steps.of(refusing), *steps.of(spreading), *steps.of(leaving), *steps.of(roaming), *steps.of(returning)]:
        wrong = perform(step, node)
        failed += wrong is not None
        report(step, wrong, arguments.json)
    sys.exit(STEPS_FAILED if failed else 0)


def settle(plan):
    """The mobile node, and those whose home link is real."""
    access, correspondent = Link(plan.access, "mobile node"), Link(plan.correspondent_link, "correspondent")
    identity = world.Identity(home=plan.home, link_local="", association=plan.association)
    node = Node(plan, identity, access, correspondent)
    node.resident = Node(plan, plan.resident, access, correspondent)
    node.bystander = Node(plan, plan.home_link.bystander, access, correspondent)
    node.roamer = roaming.Roamer(plan, plan.roamer, access, correspondent)
    node.home_link = HomeLink(plan.home_link)
    return node


def perform(step, node):
    """Runs a step. None: as the RFC says; else what was wrong."""
    for link in (node.access, node.correspondent, node.home_link):
        link.forget()
    record.begin()
    try:
        step.run(node)
    except Mismatch as mismatch:
        return str(mismatch)
    return None


def report(step, wrong, as_json):
    """Prints the outcome of a step."""
    if as_json:
        outcome = {"section": step.section, "title": step.title, "expected": record.EXPECTED, "seen": record.SEEN}
        print(json.dumps(outcome | {"wrong": wrong}), flush=True)
        return
    print(f"{'ok  ' if wrong is None else 'FAIL'} {step.section}: {step.title}{'' if wrong is None else ': ' + wrong}")
    for what, lines in (("expected", record.EXPECTED), ("seen", record.SEEN)):
        print("\n".join(f"     {what:8} {line}" for line in lines), flush=True)


if __name__ == "__main__":
    main()
