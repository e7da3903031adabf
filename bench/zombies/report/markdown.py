"""The text: what the matrix shows, in counts, and how it was measured."""

from __future__ import annotations

from bench.zombies.grading import BROKEN, LIE, MUTE, SETTLED, ZOMBIE
from bench.zombies.report.method import method
from bench.zombies.report.tally import Tally

HEAD = """# Zombies counted

Made from [zombies.json](zombies.json) by `python -m bench.zombies.report`; change nothing here by hand.
How to run it, and how to add a system: [bench/zombies](../../bench/zombies/README.md).

![A row for each system, a square for each fault; red is a page that was told nothing for a minute](zombies.svg)

[The same as a page](zombies.html), where each square opens its log (download it, or open it from a checkout).

{verdict}.

![When the page knew, by system](zombies-times.svg)

## Counts

| system | settled | without a reason | untrue | zombies | not measured | settings |
| --- | --- | --- | --- | --- | --- | --- |
"""


def markdown(tally: Tally) -> str:
    lines = [HEAD.format(verdict=tally.verdict())]
    for row in tally.rows:
        system = tally.results["systems"][row.name]
        versions = ", ".join(f"{package} {version}" for package, version in system["versions"].items())
        name = f"**{row.title}**" if row.ours else row.title
        counts = " | ".join(str(row.counts[grade]) for grade in (SETTLED, MUTE, LIE, ZOMBIE, BROKEN))
        lines.append(f"| {name} | {counts} | {system['settings']} ({versions}) |\n")
    lines += ["\n## Where settled is not settled\n\n", *_ours(tally)]
    lines += ["\n## How it was measured\n\n", "\n\n".join(method(tally)), "\n"]
    return "".join(lines)


def _ours(tally: Tally) -> list[str]:
    found = [
        f"- **{row.title}**, {tally.faults[name]['title'].lower()} ({cell['grade']}): {cell['why']}\n"
        for row, name, cell in tally.cells() if row.ours and cell["grade"] != SETTLED
    ]  # fmt: skip
    return found or ["Nowhere in this run.\n"]
