"""What is done to the processes and the ledger while the load goes on, at random instants."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.soak.members import Member

Strike = Callable[[Member, float], Awaitable[None]]


class Strikes:
    """One strike after the other; ``done`` keeps what, upon whom, when (seconds since the start) and for how long."""

    def __init__(self, members: Sequence[Member], ledger: str, every: float, chance: random.Random) -> None:
        self.done: list[dict[str, Any]] = []
        self._members = [member for member in members if "struck" in member.name]
        self._ledger = ledger
        self._every = every
        self._chance = chance

    async def run(self, began: float) -> None:
        """Go on until cancelled; nobody is left frozen then, and no lock held."""
        kinds: list[tuple[str, Strike]] = [
            ("killed", self._killed), ("terminated", self._terminated), ("frozen", self._frozen),
            ("all killed", self._all_killed), ("ledger locked", self._locked),
        ]  # fmt: skip
        while True:
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * self._every)
            ((what, strike),) = self._chance.choices(kinds, weights=(30, 20, 20, 10, 20))
            member, seconds = self._chance.choice(self._members), round(self._chance.uniform(0.5, 8.0), 1)
            whom = {"all killed": "all that may be struck", "ledger locked": "the ledger"}.get(what, member.name)
            at = round(time.monotonic() - began, 1)
            self.done.append({"at": at, "what": what, "whom": whom, "seconds": seconds})
            try:
                await strike(member, seconds)
            except Exception as error:  # e.g. no lock to be had in time; the soak goes on
                self.done[-1]["failed"] = repr(error)

    async def _killed(self, member: Member, seconds: float) -> None:
        member.pause = seconds
        member.send(signal.SIGKILL)

    async def _terminated(self, member: Member, seconds: float) -> None:
        member.send(signal.SIGTERM)

    async def _frozen(self, member: Member, seconds: float) -> None:
        member.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            member.send(signal.SIGCONT)

    async def _all_killed(self, member: Member, seconds: float) -> None:
        for each in self._members:
            await self._killed(each, seconds)

    async def _locked(self, member: Member, seconds: float) -> None:
        await asyncio.to_thread(_lock, self._ledger, seconds)


def _lock(url: str, seconds: float) -> None:
    """Hold the database's write lock; on PostgreSQL the table's lock, which keeps readers out as well."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")
        return
    import psycopg

    plain, schema = parted(url)
    with psycopg.connect(plain) as connection:
        connection.execute(f'LOCK TABLE "{schema}".task_results IN ACCESS EXCLUSIVE MODE')  # type: ignore[arg-type]
        time.sleep(seconds)
        connection.rollback()


def parted(url: str) -> tuple[str, str]:
    """A ledger's URL on PostgreSQL as its driver takes it, and the schema."""
    split = urlsplit(url)
    return split._replace(query="").geturl(), parse_qs(split.query)["schema"][0]
