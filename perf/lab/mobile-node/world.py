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
class Identity:
    """A mobile node: its home address, the link-local address with the same interface identifier, and its association."""

    home: str
    link_local: str
    association: Association


@dataclass(frozen=True)
class LinkPlan:
    """An interface of this namespace, and the MAC address of the appliance's port at the other end."""

    interface: str
    gateway_mac: str


@dataclass(frozen=True)
class HomeLinkPlan:
    """A real home link: the far end of its wire, the MAC address of the appliance there, and other stations."""

    interface: str
    gateway_mac: str
    neighbour: str
    neighbour_mac: str
    home_agents_anycast: str
    # Another home agent's address in the prefix.
    other_agent: str
    # The mobile node's, when it is at home.
    node_mac: str
    # A mobile node that is away all the time.
    bystander: Identity


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
    # How the DHoAs of the appliance begin.
    dhoa_pool: str
    other_agent: str
    association: Association
    # The mobile node whose home link is real.
    resident: Identity
    # One that has no home here.
    roamer: Identity
    access: LinkPlan
    correspondent_link: LinkPlan
    home_link: HomeLinkPlan
    # What asks the appliance, as a command without its last words.
    dhpctl: list[str]
    # The appliance's configuration file.
    configuration: str
    # The lifetime to ask for, in units of 4 seconds; the appliance grants it in full.
    lifetime: int
    # What is left of the home prefix when the appliance starts, in seconds.
    valid_lifetime: int
    preferred_lifetime: int


def read(path):
    """The world that a JSON file describes."""
    with open(path, encoding="utf-8") as file:
        plan = json.load(file)
    home_link = plan.pop("home_link")
    bystander = identity(home_link.pop("bystander"))
    links = {name: LinkPlan(**plan.pop(name)) for name in ("access", "correspondent_link")}
    return World(
        association=association(plan.pop("association")), resident=identity(plan.pop("resident")),
        roamer=identity(plan.pop("roamer")),
        home_link=HomeLinkPlan(bystander=bystander, **home_link), **links, **plan,
    )


def association(plan):
    """Its key stands there in hexadecimal digits."""
    return Association(**plan | {"key": bytes.fromhex(plan["key"])})


def identity(plan):
    """With its association."""
    return Identity(**plan | {"association": association(plan["association"])})
