"""Parts of the pages that a program writes: python -m tests.docs.made writes them anew.

Each maker returns Markdown. A part is up to date if it says the same once what differs at every
run (ids, instants, durations, numbers of a machine) is left out of both.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping

from tests.docs import commands, recorded, simulated, tables
from tests.docs.pages import ROOT, made_parts, with_made_part

MAKERS: Mapping[str, Callable[[], str]] = {
    **tables.MAKERS,
    "simulation-runs": simulated.runs,
    **{f"http-{name}": (lambda name=name: recorded.exchange(name)) for name in recorded.NAMES},
    **{f"cli-{name}": (lambda name=name: commands.session(name)) for name in commands.NAMES},
}

_VOLATILE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z"), "INSTANT"),
    (re.compile(r'"(settles_in|retry_after)": [\d.]+'), r'"\1": N'),
    (re.compile(r"^(Retry-After): \d+$", re.MULTILINE), r"\1: N"),
    (re.compile(r"^(ETag|If-None-Match): .*$", re.MULTILINE), r"\1: TAG"),
    (re.compile(r"\b(in )?\d+(\.\d+)? (ms|s|min|h|d)\b( ago)?|\bnow\b"), "TIME"),
    (re.compile(r"[\d,.]+ MiB"), "SIZE"),
    (re.compile(r"(process|worker) \d+|\b\d+ on \S+"), "PROCESS"),
    (re.compile(r"^\w+ +(workers|disk|file system) .*$", re.MULTILINE), r"\1"),  # this machine's, not the command's
    (re.compile(r"\b(No warnings|\d+ warnings?)\."), "WARNINGS"),
    (re.compile(r"^Traceback$.*?^```$", re.MULTILINE | re.DOTALL), "Traceback"),  # lines move, Pythons mark differently
    (re.compile(r"Unprocessable \w+"), "Unprocessable"),  # RFC 9110 renamed it
    (re.compile(r" {2,}"), "  "),
)


def essence(text: str) -> str:
    """What of a made part must not change from run to run."""
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def main() -> None:
    """Write every made part anew that is not up to date."""
    for part in list(made_parts()):
        text = MAKERS[part.name]()
        if essence(text) != essence(part.text) or "--all" in sys.argv:
            part.page.write_text(with_made_part(part.page.read_text("utf-8"), part.name, text), "utf-8")
            print(f"{part.page.relative_to(ROOT)}: {part.name}")


if __name__ == "__main__":
    main()
