"""Measures settled against the same thing written by hand; prints a report in Markdown.

python -m bench.speed.run              everything, in less than nine minutes
python -m bench.speed.run --quick      everything but shorter, in a minute or so
python -m bench.speed.run --only polls,rest
python -m bench.speed.run --only postgres   on PostgreSQL, with what `make bench-postgres` installs
python -m bench.speed.run --profile    where the time of a lifecycle goes
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # started as a file
    sys.path.insert(0, str(ROOT))

from bench.speed import environment, report, slow_fsync, tables, targets  # noqa: E402
from bench.speed.measures import at_rest, fresh, lifecycles, million, polls, profile, told  # noqa: E402
from bench.speed.measures.plan import Plan  # noqa: E402
from bench.speed.rounds import Comparison, NotMeasured  # noqa: E402

PARTS = ("lifecycles", "http", "told", "slow", "polls", "fresh", "million", "rest")
POSTGRES = ("pg-lifecycles", "pg-added", "pg-large", "pg-waiting", "pg-bloat")
"""What ``postgres`` stands for. It is asked for by name, since it needs a server and packages of its own, and so is
``peers``, which needs the packages."""
Section = Callable[[str, str, str, Callable[[], Any], Callable[[Any], str]], None]
RESULTS = ROOT / "bench" / "results"


def main() -> None:
    asked = _arguments()
    asked.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=asked.dir, prefix="run-") as folder:
        plan = Plan(Path(folder), asked.quick, tuple(asked.in_flight), asked.rows, asked.lifecycles)
        if asked.profile:
            profile.show(plan, asked.profile)
        else:
            only = (asked.only or ",".join(PARTS)).replace("postgres", ",".join(POSTGRES))
            _measure(plan, only.split(","))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, a smaller large ledger")
    parser.add_argument("--only", metavar="PARTS", help=f"some of {','.join((*PARTS, 'postgres'))}")
    parser.add_argument("--rows", type=int, metavar="N", help="settled rows in the large ledger")
    parser.add_argument("--lifecycles", type=int, metavar="N", help="lifecycles before a table's size is looked at")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 64, 1_000], metavar="N")
    parser.add_argument("--dir", type=Path, default=RESULTS, help="where the databases lie: the disk that is measured")
    parser.add_argument(
        "--profile", type=int, nargs="?", const=1_000, metavar="N", help="profile settled with N in flight (1000)"
    )
    parser.add_argument("--trace", action="store_true", help="show the whole traceback of a side that fails")
    return parser.parse_args()


def _measure(plan: Plan, parts: list[str]) -> None:
    begun = time.monotonic()
    facts = environment.describe(plan.folder)
    found: dict[str, Any] = {}
    lines: list[str] = []

    def section(part: str, key: str, title: str, run: Callable[[], Any], show: Callable[[Any], str]) -> None:
        if part not in parts:
            return
        print(f"{title} ", end="", file=sys.stderr, flush=True)
        try:
            found[key] = run()
            text = "\n\n".join(filter(None, [show(found[key]), report.reasons(_comparisons(found[key]))]))
        except slow_fsync.NotPossible as reason:
            text = f"not measured: {reason}"
        except Exception as error:  # the other parts are worth their report
            text = f"not measured: {type(error).__name__}: {error}"
            if "--trace" in sys.argv:
                traceback.print_exc()
        print(file=sys.stderr)
        lines.extend([f"### {title}", "", text, ""])

    _on_sqlite(plan, section)
    more: list[targets.Target] = []
    if set(parts) & set(POSTGRES):
        more = _on_postgres(plan, section, facts, found)
    measured = targets.Measured(*(found.get(key, {}) for key in targets.Measured._fields))
    lines.extend(["### Targets", "", targets.verdicts(measured, more), ""])
    _publish(facts, f"{time.monotonic() - begun:.0f} s", lines, found)


def _on_sqlite(plan: Plan, section: Section) -> None:
    """Measure that part."""
    section("lifecycles", "plain", "Lifecycles, in process", lambda: lifecycles.in_process(plan), tables.in_process)
    section("http", "http", "Lifecycles, over HTTP", lambda: lifecycles.over_http(plan), tables.over_http)
    section("told", "told", "From the end of a task to its page", lambda: told.told(plan), tables.told)
    title = "Lifecycles on SQLite, beside other task queues"
    section("peers", "peers", title, lambda: lifecycles.beside_peers(plan), tables.in_process)
    slower: list[dict[str, str]] = []

    def slow_disk() -> dict[str, str]:
        if not slower:
            slower.append(slow_fsync.environment(plan.folder))
        return slower[0]

    title = "Lifecycles, in process, 1 ms added to each fsync"
    section("slow", "slow", title, lambda: lifecycles.in_process(plan, slow_disk()), tables.in_process)
    title = "Lifecycles, over HTTP, 1 ms added to each fsync"
    section("slow", "http_slow", title, lambda: lifecycles.over_http(plan, slow_disk()), tables.over_http)
    section("polls", "polls", "Polls over HTTP", lambda: polls.polls(plan), tables.polled)
    section("fresh", "fresh", "Reads of a fresh key, over HTTP", lambda: fresh.reads(plan), tables.fresh_reads)
    section("million", "large", "Poll and sweep in a large ledger", lambda: million.costs(plan), tables.large)
    title = "At rest"
    section(
        "rest", "rest", title, lambda: (at_rest.memory(plan), at_rest.imports(plan)), lambda both: tables.resting(*both)
    )


def _on_postgres(plan: Plan, section: Section, facts: dict[str, str], found: dict[str, Any]) -> list[targets.Target]:
    """Measure that part; return what it is held to. It ends the run if a package or the server is missing."""
    try:
        from bench.speed import postgres_part

        facts |= postgres_part.facts()
    except ImportError as missing:  # of its metadata, too
        sys.exit(f"{missing.name} is missing: make bench-postgres puts it into an environment of its own")
    except NotMeasured as reason:
        sys.exit(str(reason))
    postgres_part.measure(plan, section)
    return postgres_part.targets(found)


def _comparisons(found: Any) -> list[Comparison]:
    """The comparisons within what one measurement returned."""
    if isinstance(found, tuple):
        return list(found)
    return list(found.values()) if all(isinstance(key, int) for key in found) else [found]


def _publish(facts: dict[str, str], took: str, lines: list[str], found: dict[str, Any]) -> None:
    head = [f"- {name}: {fact}" for name, fact in {**facts, "took": took}.items()]
    text = "\n".join(
        [
            "## Speed",
            "",
            *head,
            "",
            "Median of the rounds (least – most); the sides take turns, a ratio is the median of the rounds' ratios.",
            "",
            *lines,
        ]
    )
    print(text)
    RESULTS.mkdir(parents=True, exist_ok=True)
    name = f"speed-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    (RESULTS / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    figures = json.dumps({"facts": facts, "figures": found}, indent=1, default=str)
    (RESULTS / f"{name}.json").write_text(figures + "\n", encoding="utf-8")
    print(f"\nalso in {RESULTS.relative_to(ROOT)}/{name}.md and .json", file=sys.stderr)


if __name__ == "__main__":
    main()
