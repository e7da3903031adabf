"""Several machines: network namespaces of this one, each with an address of its own on a switch between them.

Needs Linux and root. Nothing in them reaches anything outside, and outside of them their addresses are
somebody else's: the test itself talks to a server in there by way of a socket on the disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

PREFIX = "10.213.77."


def possible() -> bool:
    """Whether this system lets us make namespaces."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    name = f"settled-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, timeout=10, check=False).returncode:
        return False
    _ip("netns", "del", name)
    return True


class Network:
    """A switch, and the machines that are plugged into it."""

    def __init__(self) -> None:
        self._name = f"settled-{os.getpid()}-{os.urandom(2).hex()}"
        self._machines: list[Machine] = []
        _ip("netns", "add", self._name)
        self.inside("ip", "link", "add", "switch", "type", "bridge")
        self.inside("ip", "link", "set", "switch", "up")

    def machine(self) -> Machine:
        """One more machine."""
        number = len(self._machines) + 1
        made = Machine(self, f"{self._name}-{number}", f"port{number}", f"{PREFIX}{number}")
        self._machines.append(made)
        return made

    def inside(self, *command: str) -> None:
        """Run a command on the switch."""
        _run("ip", "netns", "exec", self._name, *command)

    @property
    def name(self) -> str:
        return self._name

    def close(self) -> None:
        """Take everything away; what still runs in a machine must have been ended before."""
        for machine in self._machines:
            _ip("netns", "del", machine.name)
        _ip("netns", "del", self._name)


class Machine:
    """One machine: an address, and a cable that can be pulled."""

    def __init__(self, network: Network, name: str, port: str, address: str) -> None:
        self.name = name
        self.address = address
        self.prefix: Sequence[str] = ("ip", "netns", "exec", name)
        """What a command begins with to run there."""
        self._network = network
        self._port = port
        _ip("netns", "add", name)
        network.inside("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        network.inside("ip", "link", "set", port, "master", "switch", "up")
        self._inside("ip", "address", "add", f"{address}/24", "dev", "eth0")
        self._inside("ip", "link", "set", "eth0", "up")
        self._inside("ip", "link", "set", "lo", "up")

    def pull_the_cable(self) -> None:
        """Cut it off: packets are lost, and nobody is told."""
        self._network.inside("ip", "link", "set", self._port, "down")

    def plug_it_in(self) -> None:
        self._network.inside("ip", "link", "set", self._port, "up")

    def _inside(self, *command: str) -> None:
        _run(*self.prefix, *command)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert answer.returncode == 0, f"{' '.join(command)}: {answer.stderr}"
