#!/usr/bin/env python3
"""A scripted RFC 6275 mobile node, and its correspondent, against an appliance at the other end of two wires.

It builds each message by scapy, authenticates it by RFC 4285 (HMAC-SHA1-96), and checks each field of each answer. A
line per step: the RFC's section, what it says, and what was seen instead. Exit status 0: all as the RFCs say; 3: some
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
import refusing
import serving
import spreading
import steps
import world
from checks import Mismatch
from node import Node

STEPS_FAILED = 3


def main():
    """Runs all steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", help="file that says where everything is; dhp-lab conformance writes it")
    parser.add_argument("--json", action="store_true", help="a JSON object per line instead of text")
    arguments = parser.parse_args()
    node = Node(world.read(arguments.world))
    failed = 0
    # What is refused is so while the home address is bound.
    for step in [*steps.of(serving), *steps.of(refusing), *steps.of(spreading), *steps.of(leaving)]:
        seen = perform(step, node)
        failed += seen is not None
        report(step, seen, arguments.json)
    sys.exit(STEPS_FAILED if failed else 0)


def perform(step, node):
    """Runs a step. None: as the RFC says; else what was seen instead."""
    node.access.forget()
    node.correspondent.forget()
    try:
        step.run(node)
    except Mismatch as mismatch:
        return str(mismatch)
    return None


def report(step, seen, as_json):
    """Prints the outcome of a step."""
    if as_json:
        line = json.dumps({"section": step.section, "title": step.title, "seen": seen})
    else:
        line = f"{'ok  ' if seen is None else 'FAIL'} {step.section}: {step.title}{'' if seen is None else ': ' + seen}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
