"""Checks the model with Spin: every property on the protocol as it is, and that each planted bug is found.

python -m model.check [property or bug …]
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

MODEL = Path(__file__).with_name("settled.pml")
SAFETY = ("asserts", "one_lease", "no_flip")
LIVENESS = ("settles", "wait_ends")
BUGS = {
    "NO_GUARD": "asserts",
    "NO_ATTEMPT": "asserts",
    "NO_BOUND": "asserts",
    "OVERTAKEN": "asserts",
    "RESCUES_NOT_COUNTED": "asserts",
    "LEASE_OF_ANOTHER": "one_lease",
    "CLOCK_OF_ANOTHER": "one_lease",
    "WORKERS_ONLY": "settles",
    "SWEEP_LOCK": "settles",
    "SWEEPER_DIES": "settles",
    "LOST_WAKE_UP": "wait_ends",
    "OWN_LIST": "wait_ends",
}
"""What breaks which property; the bugs are those of tests/simulation/bugs.py, where the model has a place for them."""


MORE = {
    "SWEEP_LOCK": ["-DWITH_SWEEPER"], "SWEEPER_DIES": ["-DWITH_SWEEPER"],
    "wait_ends": ["-DWITH_PAGE"], "one_lease": ["-DIDS=4"],
}  # fmt: skip
"""Who takes part only there: the fewer, the sooner all states are seen."""


class Checked(NamedTuple):
    """What Spin said: whether a run breaks the property, how many states there are, seconds."""

    broken: bool
    states: int
    whole: bool
    seconds: float
    output: str


def check(name: str, bug: str | None, folder: Path) -> Checked:
    """Check one property, on the protocol as it is or with a bug in it."""
    began = time.monotonic()
    defines = [*MORE.get(name, []), *MORE.get(bug or "", []), *([f"-DBUG_{bug}"] if bug else [])]
    _run(["spin", *defines, "-a", str(MODEL)], folder)
    _run(["cc", "-O1", "-w", "-DCOLLAPSE", "-DNFAIR=3", "-DMEMLIM=6000", "-o", "pan", "pan.c"], folder)
    options = ["-noclaim"] if name == "asserts" else ["-a", "-N", name]
    if name in LIVENESS:
        options.append("-f")  # whoever can go on does
    if name in SAFETY:
        options.append("-E")  # an end that is no end state is a matter of liveness
    output = _run(["./pan", "-m1000000", *options], folder)
    errors, states = (re.search(pattern, output) for pattern in (r"errors: (\d+)", r"([\d.e+]+) states, stored"))
    if errors is None or states is None:
        raise SystemExit(f"Spin did not finish:\n{output}")
    whole = "Search not completed" not in output and "max search depth too small" not in output
    return Checked(errors[1] != "0", int(float(states[1])), whole, time.monotonic() - began, output)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode and command[0] != "./pan":
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main() -> int:
    """Check all, or what is named; 1 if anything is not as it should be."""
    chosen = sys.argv[1:]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in (*SAFETY, *LIVENESS):
            if chosen and name not in chosen:
                continue
            found = check(name, None, Path(folder))
            good = found.whole and not found.broken
            wrong += not good
            said = "holds" if good else "IS BROKEN" if found.broken else "was not searched whole"
            print(f"{name:12} {said}: {found.states:,} states, {found.seconds:.0f} s", flush=True)
        for bug, name in BUGS.items():
            if chosen and bug not in chosen:
                continue
            found = check(name, bug, Path(folder))
            wrong += not found.broken
            said = "is found" if found.broken else "IS NOT FOUND"
            print(f"bug {bug.lower().replace('_', ' '):22} {said}: {name}, {found.seconds:.0f} s", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
