"""settled batch: what has become of a batch, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from settled import Tasks
from settled.cli import main


def test_a_batch_is_told_with_its_counts_and_why_tasks_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/tasks.db"
    tasks = Tasks(url, embedded=False)
    tasks.task(name="scrape")(lambda url: url)
    batch = tasks.submit_many("scrape", ["a", "b", "c"])
    batch.cancel()
    tasks.stop()
    assert main(["--ledger", url, "batch", batch.id]) == 0
    said = capsys.readouterr().out
    assert "3: 3 failed" in said
    assert "3 × cancelled: Cancelled on request, with its batch." in said
    assert main(["--ledger", url, "batch", batch.id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["total"], told["failed"], told["settled"], told["failures"][0]["count"]) == (3, 3, True, 3)
    assert main(["--ledger", url, "batch", "nonsense"]) == 2
    assert main(["--ledger", url, "batch", batch.id[:-1] + ("0" if batch.id[-1] != "0" else "1")]) == 3
