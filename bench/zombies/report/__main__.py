"""Makes the pictures, the page and the text from zombies.json: ``python -m bench.zombies.report [JSON] [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.zombies.processes import ROOT
from bench.zombies.report.markdown import markdown
from bench.zombies.report.matrix import matrix
from bench.zombies.report.page import page
from bench.zombies.report.tally import Tally
from bench.zombies.report.times import times

EVIDENCE = ROOT / "docs" / "evidence"


def make(results: Path, folder: Path) -> None:
    """Write all four beside each other."""
    tally = Tally.read(results)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zombies.svg").write_text(matrix(tally), "utf-8")
    (folder / "zombies-times.svg").write_text(times(tally), "utf-8")
    (folder / "zombies.html").write_text(page(tally), "utf-8")
    (folder / "zombies.md").write_text(markdown(tally), "utf-8")
    print(f"{tally.verdict()}. Written to {folder}: zombies.svg, zombies-times.svg, zombies.html, zombies.md")


if __name__ == "__main__":
    arguments = [Path(argument) for argument in sys.argv[1:]]
    make(arguments[0] if arguments else EVIDENCE / "zombies.json", arguments[1] if len(arguments) > 1 else EVIDENCE)
