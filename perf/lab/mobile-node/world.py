"""Where everything is: read from the file that the lab writes, so that no address stands twice."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Association:
    """A security association of RFC 4285: the MN-HA key, and whose it is."""

    spi: int
    key: bytes
    identity: str


@dataclass(frozen=True)
class LinkPlan:
    """An interface of this namespace, and the MAC address of the appliance's port at the other end."""

    interface: str
    gateway_mac: str


@dataclass(frozen=True)
class World:
    """Addresses as text, in the form that inet_ntop(3) gives."""

    anchor: str
    home: str
    other_home: str
    foreign_home: str
    home_prefix: str
    home_agents_anycast: str
    care_of: list[str]
    correspondent: str
    other_agent: str
    association: Association
    access: LinkPlan
    correspondent_link: LinkPlan
    # What asks the appliance, as a command without its last words.
    dhpctl: list[str]
    # The lifetime to ask for, in units of 4 seconds; the appliance grants it in full.
    lifetime: int
    # What is left of the home prefix when the appliance starts, in seconds.
    valid_lifetime: int
    preferred_lifetime: int


def read(path):
    """The world that a JSON file describes."""
    with open(path, encoding="utf-8") as file:
        plan = json.load(file)
    association = plan.pop("association")
    association["key"] = bytes.fromhex(association["key"])
    links = {name: LinkPlan(**plan.pop(name)) for name in ("access", "correspondent_link")}
    return World(association=Association(**association), **links, **plan)
