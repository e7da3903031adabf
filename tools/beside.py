"""Runs a command, and another one beside it on the processors that it leaves idle; fails if either does.

python tools/beside.py COMMAND ... --beside COMMAND ...

What the second one says is shown when both have ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress


def only_when_idle() -> None:
    """Give way to everything else on this machine, from now on and in all children."""
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # not Linux, or not allowed
        os.nice(19)


def main() -> int:
    command, separator, beside = _parted(sys.argv[1:])
    if not (command and beside):
        print(f"{__doc__}\nThere is no command {'before' if separator else 'behind'} --beside.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryFile() as said:
        second = subprocess.Popen(
            beside, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=only_when_idle,  # noqa: PLW1509 - there are no threads here
        )  # fmt: skip
        try:
            first = subprocess.run(command, check=False).returncode
            if second.poll() is None:
                print(f"Waiting for {' '.join(beside)}", flush=True)
            second.wait()
        finally:
            if second.returncode is None:  # interrupted: nothing is left behind
                with suppress(ProcessLookupError):
                    os.killpg(second.pid, signal.SIGTERM)
        said.seek(0)
        sys.stdout.flush()
        sys.stdout.buffer.write(said.read())
    return first or second.returncode


def _parted(words: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--beside" not in words:
        return words, False, []
    at = words.index("--beside")
    return words[:at], True, words[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
