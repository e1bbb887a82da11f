"""The steps in their order. Each is a function with its section and what it shows."""

from dataclasses import dataclass
from typing import Callable

# All steps; a module adds its own when it is imported.
ALL = []


@dataclass(frozen=True)
class Step:
    """One thing that an RFC says, and how to see it."""

    section: str
    title: str
    run: Callable


def step(section, title):
    """Makes a function of the node a step."""

    def add(function):
        ALL.append(Step(section, title, function))
        return function

    return add


def of(module):
    """The steps of a module, in the order in which they stand there."""
    return [step for step in ALL if step.run.__module__ == module.__name__]
