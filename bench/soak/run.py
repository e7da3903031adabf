"""Runs the demo under load and under fire for as long as one likes: python -m bench.soak.run [--minutes 5]

Two demo servers, three ``settled worker`` processes, one ledger. Tasks come at random instants, a part of them the
demo's own faults; all but one server and one worker are killed, frozen, told to end and started again; the ledger is
locked. The book looks at every task, ``settled doctor`` judges once a minute and at the end, and the memory and
descriptors of whoever is never struck are sampled. Exits 1 if a promise was broken. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from bench.soak.book import Book
from bench.soak.flat import judged
from bench.soak.load import Load
from bench.soak.members import ALLOCATOR, ROOT, cast, sample
from bench.soak.strikes import Strikes, parted
from bench.speed.environment import describe
from settled import Ledger
from settled.stores.urls import store_of

SAMPLE_EVERY = 10.0
DRAIN = 150.0
"""Seconds that the last tasks get to settle after the load has stopped: more than any bound in use."""


class Soak:
    """One run, and what it has seen."""

    def __init__(self, ledger: str, folder: Path, args: argparse.Namespace) -> None:
        self.url = ledger
        self.folder = folder
        self.args = args
        self.members = cast(ledger, folder)
        self.book = Book(Ledger(store_of(ledger)))
        servers = [member for member in self.members if member.url]
        self.load = Load(args.rate, servers, self.book, random.Random(args.seed))
        self.strikes = Strikes(self.members, ledger, args.strike_every, random.Random(args.seed + 1))
        self.samples: dict[str, list[list[float]]] = {}
        self.minutes: list[dict[str, Any]] = []
        self.doctors: list[dict[str, Any]] = []
        self.began = 0.0

    async def run(self) -> dict[str, Any]:
        """Play it from the first start to the last comparison."""
        self.book.ledger.open()
        rows: dict[str, int] = {}
        try:
            for member in self.members:
                member.begin()
            async with httpx.AsyncClient() as client:
                await self._up(client)
                self.began = time.monotonic()
                await self._under_fire(client)
                await self._drained()
        finally:
            await asyncio.gather(*(member.end() for member in self.members))
            await self._doctor(deep=True)
            rows = self.book.close()
            self.book.ledger.close()
        return self._report(rows)

    async def _up(self, client: httpx.AsyncClient) -> None:
        for member in self.members:
            while member.url:
                with contextlib.suppress(httpx.HTTPError):
                    await client.get(f"{member.url}/demo/faults", timeout=5)
                    break
                await asyncio.sleep(0.2)

    async def _under_fire(self, client: httpx.AsyncClient) -> None:
        playing = [
            asyncio.create_task(work) for work in (
                self.load.run(client), self.strikes.run(self.began), self._every(1.0, self._look),
                self._every(SAMPLE_EVERY, self._sample), self._every(60.0, self._minute),
            )
        ]  # fmt: skip
        done, _ = await asyncio.wait(playing, timeout=self.args.minutes * 60, return_when=asyncio.FIRST_EXCEPTION)
        for each in playing:
            each.cancel()
        await asyncio.gather(*playing, return_exceptions=True)
        for error in filter(None, (each.exception() for each in done)):
            self.book.broken.append(f"the soak itself: {error!r}")

    async def _drained(self) -> None:
        finishing = asyncio.create_task(self.load.finish())
        end = time.monotonic() + DRAIN
        while time.monotonic() < end and (self.book.open or not finishing.done()):
            await self._look()
            await asyncio.sleep(0.5)
        finishing.cancel()

    async def _every(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await do()

    async def _look(self) -> None:
        await asyncio.to_thread(self.book.look)

    async def _sample(self) -> None:
        at = round(time.monotonic() - self.began)
        seen = {member.name: member.sample() for member in self.members if "struck" not in member.name}
        for name, found in {**seen, "this program": sample(os.getpid())}.items():
            if found is not None:
                self.samples.setdefault(name, []).append([at, round(found[0] / 1e6, 2), *found[1:]])

    async def _minute(self) -> None:
        self.minutes.append(
            {
                "at": round(time.monotonic() - self.began),
                "load": round(os.getloadavg()[0], 1),
                "open": len(self.book.open),
                **self.book.outcomes,
            }
        )
        await self._doctor()
        wrong = f"{len(self.book.broken)} broken" if self.book.broken else "nothing broken"
        print(f"{len(self.minutes):4} min  {sum(self.book.outcomes.values()):6} settled  {wrong}", flush=True)

    async def _doctor(self, *, deep: bool = False) -> None:
        command = [sys.executable, "-m", "settled.cli", "doctor", "--json", "--ledger", self.url]
        process = await asyncio.create_subprocess_exec(
            *command, *(["--deep"] if deep else []), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )  # fmt: skip
        out, err = await process.communicate()
        locked = {"level": "away", "subject": "ledger", "message": err.decode("utf-8", "replace")[-300:]}
        findings = json.loads(out)["findings"] if out.startswith(b"{") else [locked]
        for finding in findings:  # where the ledger lay says nothing
            finding["message"] = finding["message"].replace(f"{self.folder}/", "")
        said = [finding for finding in findings if finding["level"] != "ok"]
        self.doctors.append({"at": round(time.monotonic() - self.began), "said": said})
        self.book.broken += [f"the doctor: {each['message']}" for each in said if each["level"] == "broken"]

    def _command(self) -> str:
        """What plays it again, wherever the ledger and the files are."""
        options = [
            f"--minutes {self.args.minutes:g} --rate {self.args.rate:g} --strike-every {self.args.strike_every:g}"
        ]
        options += [f"--seed {self.args.seed}", *(["--ledger postgresql://…"] if self.args.ledger else [])]
        return f"python -m bench.soak.run {' '.join(options)}"

    def _report(self, rows: dict[str, int]) -> dict[str, Any]:
        book = self.book
        late = sorted(book.late)
        return {
            "about": {
                **{key: fact for key, fact in describe(self.folder).items() if key != "load at the start"},
                "command": self._command(),
                "environment": " ".join(f"{name}={value}" for name, value in ALLOCATOR.items()),
                "ledger": self.url.partition(":")[0],
                "minutes": self.args.minutes,
                "rate": self.args.rate,
                "seed": self.args.seed,
            },
            "broken": book.broken,
            "submitted": dict(self.load.counts),
            **rows,
            "outcomes": dict(book.outcomes),
            "waits": dict(book.waits),
            "expiries written late": {"count": len(late), "longest": late[-1] if late else 0.0},
            "looks not answered": book.unanswered,
            "strikes": self.strikes.done,
            "starts": {member.name: member.starts for member in self.members},
            "flat": judged(self.samples),
            "doctors": self.doctors,
            "minutes": self.minutes,
            "samples": self.samples,
        }


def main() -> None:
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="settled-soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        ledger = args.ledger or f"sqlite:///{folder}/soak.db"
        if ledger.startswith("postgresql:"):
            ledger += f"{'&' if '?' in ledger else '?'}schema=settled_soak_{os.getpid()}"
        try:
            report = asyncio.run(Soak(ledger, folder, args).run())
        finally:
            if ledger.startswith("postgresql:"):
                _drop(ledger)
            if args.logs:
                for log in folder.glob("*.log"):
                    (args.logs / log.name).write_bytes(log.read_bytes())
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=None, separators=(",", ":")).replace('},{"at"', '},\n{"at"') + "\n")
    shown = {key: report[key] for key in ("broken", "rows", "outcomes", "waits", "expiries written late", "flat")}
    print(json.dumps(shown, indent=2))
    sys.exit(1 if report["broken"] else 0)


def _drop(ledger: str) -> None:
    import psycopg

    plain, schema = parted(ledger)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')  # type: ignore[arg-type]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--ledger", default="", help="postgresql://…: a schema of its own is made there, and dropped")
    parser.add_argument("--rate", type=float, default=5.0, help="tasks a second (5)")
    parser.add_argument("--strike-every", type=float, default=15.0, help="seconds between two strikes (15)")
    parser.add_argument("--seed", type=int, default=1, help="of the chance that chooses loads and strikes (1)")
    parser.add_argument("--out", type=Path, default=ROOT / "build/soak.json")
    parser.add_argument("--logs", type=Path, help="a folder for the processes' logs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
