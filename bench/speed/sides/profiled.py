"""``sides.ours`` with each thread under a cProfile of its own."""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import threading
import time

from bench.speed.sides import ours

LINES = 25
profiles: dict[str, tuple[cProfile.Profile, float]] = {}
_run = threading.Thread.run


def run(self: threading.Thread) -> None:
    """A thread's body, profiled; Python 3.12 allows one profiler at a time, then the others run without."""
    profile, start = cProfile.Profile(), time.thread_time()
    try:
        profile.enable()
    except ValueError:
        _run(self)
        return
    try:
        _run(self)
    finally:
        profile.disable()
        profiles[self.name] = (profile, time.thread_time() - start)


def main() -> None:
    threading.Thread.run = run  # type: ignore[method-assign]
    profile, start = cProfile.Profile(), time.thread_time()
    figures = profile.runcall(asyncio.run, ours.main())
    profiles["event loop (main thread)"] = (profile, time.thread_time() - start)
    print({name: round(value, 2) for name, value in figures.items()}, "while profiled")
    for name, (found, used) in sorted(profiles.items(), key=lambda item: -item[1][1])[:3]:
        print(f"\n==== {name}: {used:.2f} s of processor time")
        pstats.Stats(found).strip_dirs().sort_stats("tottime").print_stats(LINES)


if __name__ == "__main__":
    main()
