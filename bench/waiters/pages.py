"""The rows in which the server is good, and something happens to the page or to its machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bench.waiters.chromium import BOUND
from bench.waiters.rows import COMPLETED, STOPPED, UNREACHABLE, Row, Stage

HOUR = 3_600_000  # ms
# The wall clock of the page, which can be set; its monotonic one and its timers are the browser's own.
CLOCK = """
(() => {
  const Real = Date;
  let shift = 0;
  window.setClock = (ms) => (shift = ms);
  window.Date = class Date extends Real {
    constructor(...given) { given.length ? super(...given) : super(Real.now() + shift); }
    static now() { return Real.now() + shift; }
  };
})();
"""


async def hidden(stage: Stage) -> None:
    assert stage.tab is not None
    await stage.clock.until(0.5)
    await stage.tab.hide()
    await stage.clock.until(2.5)
    await stage.tab.show()


async def frozen(stage: Stage) -> None:
    assert stage.tab is not None
    await stage.clock.until(0.5)
    await stage.tab.freeze()
    await stage.clock.until(5.5)
    await stage.tab.thaw()


async def offline(stage: Stage) -> None:
    assert stage.tab is not None
    await stage.clock.until(0.5)
    await stage.tab.network(on=False)
    stage.site.cut_off()
    await stage.clock.until(2.5)
    await stage.tab.network(on=True)


async def offline_for_good(stage: Stage) -> None:
    assert stage.tab is not None
    await stage.clock.until(0.5)
    await stage.tab.network(on=False)
    stage.site.cut_off()


async def offline_already(stage: Stage) -> None:
    assert stage.tab is not None
    await stage.tab.network(on=False)


async def online(stage: Stage) -> None:
    assert stage.tab is not None
    await stage.clock.until(2.0)
    await stage.tab.network(on=True)


async def asleep(stage: Stage) -> None:
    """Scripts stand still in mid-air, no event tells of it, connections die, and an hour has passed on the wall."""
    assert stage.tab is not None
    await stage.tab.send("Debugger.enable")
    await stage.clock.until(0.7)
    stopped = asyncio.create_task(stage.tab.run(f"setClock({HOUR}); debugger; 0"))
    stage.site.cut_off()
    try:
        await asyncio.wait_for(stage.paused.wait(), BOUND)
        await stage.clock.until(2.7)
        await stage.tab.send("Debugger.resume")
        await stopped
    finally:
        stopped.cancel()


async def set_back(stage: Stage) -> None:
    assert stage.tab is not None
    await stage.clock.until(0.7)
    await stage.tab.run(f"setClock(-{HOUR})")


async def unmounted(stage: Stage) -> None:
    await stage.clock.until(0.7)
    await stage.leave()


PAGES: Sequence[Row] = [
    Row("hidden", "another tab in front while it settles", COMPLETED, during=hidden, group="page"),
    Row("frozen", "by the browser, until long after the deadline", COMPLETED, during=frozen, group="page", still=True),
    Row("offline", "no network while it settles", COMPLETED, during=offline, group="page"),
    Row("opened offline", "no network at first", COMPLETED, before=offline_already, during=online, group="page"),
    Row("offline for good", "no network any more", UNREACHABLE, during=offline_for_good, group="page"),
    Row("asleep", "the lid closed for an hour", COMPLETED, during=asleep, group="page", still=True, clock=CLOCK),
    Row("the clock is wrong", "an hour fast from the start", COMPLETED, group="page",
        clock=f"{CLOCK} setClock({HOUR});"),
    Row("the clock is set", "an hour back in the middle", COMPLETED, during=set_back, group="page", clock=CLOCK),
    Row("unmounted", "its part of the page is taken away", STOPPED, during=unmounted, group="page"),
    Row("twice on a page", "two parts of it wait for one task", COMPLETED, group="page", copies=2),
]  # fmt: skip
