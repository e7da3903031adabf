"""The load: tasks for the workers, pages for the demo to sum up, the demo's own faults, and pages that wait."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx

from bench.soak.app import tasks
from bench.soak.book import Book
from bench.soak.members import Member
from settled import SettledError, await_
from settled.demo.fault import Place
from settled.demo.faults import FAULTS

WAITED_FOR = 0.1
"""The share of the tasks for which somebody waits over HTTP, from submit to end."""
PLACES = {Place.SERVER: 0.8, Place.WORKER: 0.12, Place.SCRATCH: 0.04, Place.NOWHERE: 0.04}
PATIENCE = 30.0


class Load:
    """Submits about ``rate`` tasks a second, at random instants, until told to stop."""

    def __init__(self, rate: float, servers: Sequence[Member], book: Book, chance: random.Random) -> None:
        self._rate = rate
        self._servers = servers
        self._book = book
        self._chance = chance
        self._doing: set[asyncio.Task[None]] = set()
        self._addresses: list[str] = []
        self.counts: Counter[str] = Counter()
        """How many submits were confirmed, by what they were; and how many were not, the server being down."""

    async def run(self, client: httpx.AsyncClient) -> None:
        """Go on until cancelled."""
        self._client = client
        self._addresses = (await client.get(f"{self._servers[0].url}/demo/pages")).json()["addresses"]
        while True:
            await asyncio.sleep(self._chance.expovariate(self._rate))
            doing = asyncio.create_task(self._one())
            self._doing.add(doing)
            doing.add_done_callback(self._doing.discard)

    async def finish(self) -> None:
        """Wait for every wait that is under way; each has a bound of its own."""
        await asyncio.gather(*self._doing, return_exceptions=True)

    async def _one(self) -> None:
        drawn = self._chance.random()
        try:
            if drawn < 0.62:
                await self._directly()
            elif drawn < 0.92:
                await self._posted("page", self._chance.choice(self._servers), "/demo/pages", self._address())
            else:
                await self._fault()
        except (httpx.HTTPError, SettledError) as error:
            self.counts[f"not confirmed: {type(error).__name__}"] += 1

    async def _directly(self) -> None:
        seconds = round(self._chance.uniform(0.05, 3.0), 2)
        calls: list[tuple[str, list[Any]]] = [
            ("brief", [self._chance.randrange(1000)]), ("a_while", [seconds]), ("in_a_thread", [seconds]),
            ("in_a_process", [seconds]), ("hangs", []), ("breaks", []),
        ]  # fmt: skip
        ((name, args),) = self._chance.choices(calls, weights=(40, 25, 20, 3, 2, 5))
        row, _ = await self._book.ledger.aadd(tasks.functions[name].new(tuple(args), {}))
        self.counts["task for a worker"] += 1
        self._book.add(row.id)
        if self._chance.random() < WAITED_FOR:
            await self._wait(self._chance.choice(self._servers), row.id)

    def _address(self) -> dict[str, str]:
        return {"url": self._chance.choice(self._addresses)}

    async def _fault(self) -> None:
        (place,) = self._chance.choices(list(PLACES), weights=PLACES.values())
        name = self._chance.choice([name for name, fault in FAULTS.items() if fault.place is place])
        server = self._servers[0] if place is Place.SCRATCH else self._chance.choice(self._servers)
        await self._posted("fault", server, f"/demo/faults/{name}", None, place)

    async def _posted(
        self, what: str, server: Member, path: str, body: Any, place: Place = Place.SERVER
    ) -> None:  # fmt: skip
        answer = await self._client.post(server.url + path, json=body, timeout=PATIENCE)
        if answer.status_code != 202:
            self.counts[f"not confirmed: {answer.status_code}"] += 1
            return
        self.counts[what] += 1
        task_id, location = answer.json()["id"], answer.headers["location"]
        if place in (Place.SERVER, Place.WORKER):
            self._book.add(task_id)
            if self._chance.random() < WAITED_FOR:
                await self._wait(self._chance.choice(self._servers), task_id)
        else:  # not of this ledger: only its wait can be looked at
            self._book.ended("", await await_(server.url + location))

    async def _wait(self, server: Member, task_id: str) -> None:
        self._book.ended(task_id, await await_(f"{server.url}/tasks/{task_id}"))
