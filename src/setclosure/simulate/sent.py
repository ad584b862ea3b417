"""Simulators on their way to other processes, which know no plugins."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

from setclosure.registry import Plugin, plugins
from setclosure.simulate.simulator import Simulator


@dataclass(frozen=True)
class SentSimulator:
    """A simulator of a plugin as another process can read it: with the plugins that were loaded here.

    Attributes
    ----------
    plugins : tuple of Plugin
        What runs there before the simulator is read.
    content : bytes
        The simulator.
    """

    plugins: tuple[Plugin, ...]
    content: bytes

    def open(self) -> Simulator:
        """Give the simulator, in the process to which it was sent."""
        for plugin in self.plugins:
            plugin.load()
        simulator: Simulator = pickle.loads(self.content)
        return simulator


def sendable(simulator: Simulator) -> Simulator | SentSimulator:
    """Give a simulator in the form in which other processes can read it; only one of a plugin needs another."""
    loaded = plugins()
    if type(simulator).__module__ not in {plugin.module for plugin in loaded}:
        return simulator
    return SentSimulator(tuple(loaded), pickle.dumps(simulator))
