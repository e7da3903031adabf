"""Says how a child process died: signal, exit code, peak memory, probably out of memory."""

from __future__ import annotations

import signal

from settled.runner.outcome import Outcome
from settled.states import Reason

_MEANING = {
    signal.SIGSEGV: "it crashed with a segmentation fault, in native code",
    signal.SIGBUS: "it crashed with a bus error, in native code",
    signal.SIGABRT: "it aborted, in native code",
    signal.SIGILL: "it crashed on an illegal instruction",
    signal.SIGFPE: "it crashed on an arithmetic error, in native code",
    signal.SIGTERM: "it was terminated by somebody",
    signal.SIGKILL: "it was killed by the system or by somebody",
}


class Evidence:
    """What is known of a child's memory while it lives and after it died."""

    def __init__(self, memory_limit: int | None) -> None:
        self.peak = 0
        self._limit = memory_limit
        self._exceeded = False
        self._oom_kills = _oom_kills()

    def over_the_limit(self, pid: int) -> bool:
        """Look at the child's resident size; True once it is over the limit."""
        size, peak = _memory(pid)
        self.peak = max(self.peak, size, peak)
        self._exceeded = self._limit is not None and size > self._limit
        return self._exceeded

    def judge(self, outcome: Outcome | None, status: int) -> Outcome:
        """The attempt's outcome, from what the child reported and how it ended."""
        if outcome is not None:
            if self._limit is not None and outcome.reason is Reason.EXCEPTION and outcome.error_type == "MemoryError":
                return outcome._replace(reason=Reason.WORKER_LOST, message=self._out_of_memory())
            return outcome
        if self._exceeded:
            return Outcome(Reason.WORKER_LOST, message=self._out_of_memory())
        return Outcome(Reason.WORKER_LOST, message=self._died(status))

    def _out_of_memory(self) -> str:
        return (
            f"The task's process ran out of memory: its limit is {_mib(self._limit or 0)}, "
            f"its peak was {_mib(self.peak)}. Raise memory_limit, or let it do less at once."
        )

    def _died(self, status: int) -> str:
        peak = f" Its peak memory was {_mib(self.peak)}." if self.peak else ""
        if status >= 0:
            return (
                f"The task's process exited with code {status} before the function returned (os._exit, a crash).{peak}"
            )
        number = signal.Signals(-status)
        probably = ""
        if number is signal.SIGKILL:
            near = self._limit is not None and self.peak > 0.8 * self._limit
            if near or _oom_kills() > self._oom_kills:
                probably = ", probably out of memory"
        meaning = _MEANING.get(number, "it was ended by a signal")
        return f"The task's process died of {number.name} before the function returned: {meaning}{probably}.{peak}"


def _memory(pid: int) -> tuple[int, int]:
    """The resident size now and at its peak, in bytes; zeros where the system does not tell."""
    size = peak = 0
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    size = int(line.split()[1]) * 1024
                elif line.startswith("VmHWM:"):
                    peak = int(line.split()[1]) * 1024
    except OSError:
        pass
    return size, peak


def _oom_kills() -> int:
    """How often the kernel has killed for lack of memory since it booted."""
    try:
        with open("/proc/vmstat", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0


def _mib(size: int) -> str:
    return f"{size / 1_048_576:.0f} MiB"
