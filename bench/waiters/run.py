"""Does a waiting client ever hang? python -m bench.waiters.run [--only settled,swr] [--rows 404]

Writes the whole table to docs/evidence, or with ``--only`` or ``--rows`` to build/waiters, and prints it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.waiters import report
from bench.waiters.browser import Browser, browser
from bench.waiters.cell import Cell, play
from bench.waiters.chromium import BOUND, chromium
from bench.waiters.clients import ADAPTERS, HERE, PYTHON, Client, find, read, versions
from bench.waiters.grade import ABSENT, TRUE, Grade
from bench.waiters.pages import PAGES
from bench.waiters.rows import SERVERS, UNREACHABLE, Row
from bench.waiters.story import HORIZON

ROOT = HERE.parents[1]
BUILT = ROOT / "build" / "waiters"
LAG = 0.5
"""Seconds of the table by which a machine may be late; else the cell is run again."""
SLOWER = (1, 2, 4)
"""How many times as long as at first each second takes in the first run of a cell, the second, the third."""
ROWS: Sequence[Row] = [*SERVERS, *PAGES]


def bundled(paths: Sequence[Path]) -> None:
    """Bundle the adapters with the packages that they import."""
    node = subprocess.run([ROOT / "tools/node.sh"], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([node, HERE / "bundle.mjs", BUILT, *paths], check=True)


async def cells(
    browser: Browser | None,
    clients: Sequence[Client],
    rows: Sequence[Row],
    folder: Path,
    *,
    tabs: int = 20,
    scale: float = 1.0,
    say: bool = False,
) -> dict[tuple[str, str], Cell]:
    """Run them all, ``tabs`` at once; those that the machine has disturbed again, more slowly."""
    todo = [(client, row) for client in clients for row in rows]
    todo.sort(key=lambda pair: -(max(HORIZON, pair[0].gives_up) if pair[1].truth == UNREACHABLE else 0))
    done: dict[tuple[str, str], Cell] = {}

    async def one(gate: asyncio.Semaphore, client: Client, row: Row, scale: float) -> None:
        files: Mapping[str, Path] = {} if client.python else {"/adapter.js": folder / f"{client.key}.js"}
        async with gate:
            try:
                cell = await play(browser, client, row, files, scale)
            except TimeoutError:  # the browser did not get to do what it was told
                cell = Cell(
                    client.key, row.name, Grade(ABSENT, None, "the machine was too busy", None, 0, 0), [], BOUND
                )
        if say:
            print(f"{cell.lag:5.2f} {cell.grade.grade:7} {client.key}: {row.name}", file=sys.stderr, flush=True)
        before = done.get((client.key, row.name))
        if before is None or cell.lag < before.lag:
            done[client.key, row.name] = cell

    for slower in SLOWER:
        gate = asyncio.Semaphore(max(1, tabs // slower))
        if say:
            what = f"{len(todo)} cells, {max(1, tabs // slower)} at once, a load of {os.getloadavg()[0]:.0f}"
            print(what, file=sys.stderr, flush=True)
        async with asyncio.TaskGroup() as group:
            for client, row in todo:
                group.create_task(one(gate, client, row, scale * slower))
        todo = [(client, row) for client, row in todo if done[client.key, row.name].lag > LAG]
        if not todo:
            break
    return done


def chosen(arguments: argparse.Namespace) -> tuple[list[Client], list[Row], list[Path]]:
    """Which clients and rows, and the files to be bundled."""
    own = [Path(path).resolve() for path in arguments.adapter]
    known = find()
    clients = [read(path) for path in own] + (known if not own or arguments.only else [])
    if arguments.only:
        wanted = arguments.only.split(",")
        clients = [client for client in clients if client.key in wanted or client.key in {path.stem for path in own}]
    rows = [row for row in ROWS if not arguments.rows or any(part in row.name for part in arguments.rows.split(","))]
    if not clients or not rows:
        sys.exit(f"clients: {', '.join(client.key for client in known)}\nrows: {', '.join(row.name for row in ROWS)}")
    stems = {path.stem for path in own}
    files = own + [ADAPTERS / f"{c.key}.js" for c in clients if c is not PYTHON and c.key not in stems]
    return clients, rows, files


async def measured(clients: Sequence[Client], rows: Sequence[Row], arguments: argparse.Namespace) -> report.Table:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # the browser ends with this process
    async with chromium() as driven, browser(driven) as tabs:
        began, load = time.monotonic(), os.getloadavg()[0]
        found = await cells(tabs, clients, rows, BUILT, tabs=arguments.tabs, scale=arguments.scale, say=True)
        took = time.monotonic() - began
        packages = versions(sorted({client.package for client in clients}))
        machine = f"{os.cpu_count()} processors, a load of {load:.0f} before and {os.getloadavg()[0]:.0f} after"
        return report.Table(clients, rows, found, packages, driven.version, machine, took, arguments.scale)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--adapter", action="append", default=[], help="a client of your own: its file; may be repeated"
    )
    parser.add_argument("--only", default="", help="names of clients, with commas")
    parser.add_argument("--rows", default="", help="parts of names of rows, with commas")
    parser.add_argument("--tabs", type=int, default=20, help="how many cells at once")
    parser.add_argument("--scale", type=float, default=1.0, help="how many real seconds one of the table takes")
    parser.add_argument("--out", type=Path, help="the folder to write to")
    arguments = parser.parse_args()
    clients, rows, files = chosen(arguments)
    bundled(files)
    table = asyncio.run(measured(clients, rows, arguments))
    part = arguments.adapter or arguments.only or arguments.rows
    out = arguments.out or (BUILT if part else ROOT / "docs" / "evidence")
    out.mkdir(parents=True, exist_ok=True)
    print(report.write(table.as_dict(), out))
    wrong = [
        cell for cell in table.cells.values()
        if cell.client.startswith("settled") and cell.grade.grade not in (TRUE, ABSENT)
    ]  # fmt: skip
    for cell in wrong:
        print(
            f"settled was wrong: {cell.client}, {cell.row}, lag {cell.lag} s: {cell.grade}",
            *cell.log,
            sep="\n  ",
            file=sys.stderr,
        )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
