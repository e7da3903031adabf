"""``settled ls`` and ``settled show``."""

from __future__ import annotations

import json
import sys

import pytest

from settled.cli.tables import cells
from settled.ids import new_id
from settled.states import Reason
from settled.stores.base import Progress
from settled.web.wire import body_of


def test_ls_shows_the_newest_first_with_its_whole_id(home, settled):
    old, new = home.completed(), home.pending()
    said = settled("ls")
    assert said.status == 0
    assert [line.split()[:2] for line in said.lines[1:]] == [[new.id, "pending"], [old.id, "completed"]]


def test_ls_tells_why_a_task_failed_and_what_one_returned(home, settled):
    home.failed("The site did not answer.", Reason.TIMEOUT)
    home.completed('{"w\\u00f6rter": 3}')
    assert "timeout: The site did not answer." in settled("ls").out
    assert '{"wörter": 3}' in settled("ls").out


def test_ls_selects_by_status_name_and_reason(home, settled):
    failed, other = home.failed(name="a"), home.completed(name="b")
    assert settled("ls", "--status", "failed", "--json").json["id"] == failed.id
    assert settled("ls", "--name", "b", "--json").json["id"] == other.id
    assert settled("ls", "--reason", "exception", "--json").json["id"] == failed.id
    assert settled("ls", "--reason", "timeout").err == "No task matches.\n"


def test_ls_pages_by_the_last_id_of_the_page_before(home, settled):
    rows = [home.pending() for _ in range(3)]
    first = settled("ls", "--limit", "2")
    assert f"--before {rows[1].id}" in first.err
    rest = settled("ls", "--limit", "2", "--before", rows[1].id, "--json")
    assert [json.loads(line)["id"] for line in rest.lines] == [rows[0].id]


@pytest.mark.parametrize("arguments", [["--limit", "0"], ["--limit", "x"], ["--status", "gone"], ["--before", "x"]])
def test_ls_refuses_what_makes_no_sense(home, settled, arguments):
    said = settled("ls", *arguments)
    assert said.status == 2
    assert said.out == ""
    assert said.err


def test_ls_settles_what_is_overdue_before_it_shows_it(home, settled):
    (overdue,) = home.overdue()
    said = settled("ls", "--json").json
    assert (said["id"], said["status"], said["error"]["reason"]) == (overdue, "failed", "never_started")


@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_table_keeps_to_the_width_of_the_terminal(home, settled, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    home.failed("long " * 100, name="a_task_function_with_a_long_name")
    home.completed(json.dumps("世界" * 100, ensure_ascii=False))
    lines = settled("ls").lines
    assert max(cells(line) for line in lines) <= width
    assert any("exceptio" in line for line in lines)


def test_a_table_in_a_pipe_is_cut_nowhere(home, settled):
    home.failed("long " * 50 + "end")
    assert "long end" in settled("ls").out


def test_colours_are_for_terminals_that_want_them(home, settled, monkeypatch):
    home.completed()
    assert "\x1b" not in settled("ls").out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "\x1b[32mcompleted\x1b[0m" in settled("ls").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in settled("ls").out


@pytest.mark.parametrize("command", ["ls", "show"])
def test_what_a_task_says_cannot_steer_the_terminal(home, settled, command):
    row = home.failed("a\x1b[2Jb\rc", traceback="Traceback\x1b]0;title\x07\n  line", name="n\x1bame")
    said = settled(command, *([row.id] if command == "show" else []))
    assert not set(said.out) & set("\x1b\r\x07")
    assert "a\\x1b[2Jb" in said.out


def test_show_tells_what_never_leaves_over_http(home, settled):
    row = home.failed(
        "It broke.", error_type="ValueError", traceback="Traceback (most recent call last):\n  File x", owner="alice",
        key="k1", arguments='{"args":["https://example.org"],"kwargs":{}}',
    )  # fmt: skip
    out = settled("show", row.id).out
    for part in (
        "It broke.",
        "ValueError",
        "File x",
        "alice",
        "k1",
        "https://example.org",
        home.ledger.worker,
        "process",
    ):
        assert part in out
    document = settled("show", row.id, "--json").json
    assert document["traceback"].endswith("File x")
    assert document["arguments"]["args"] == ["https://example.org"]
    assert document["error"] == {"reason": "exception", "message": "It broke.", "type": "ValueError"}


def test_show_tells_of_an_open_task_when_it_settles(home, settled):
    row = home.pending()
    out = settled("show", row.id).out
    assert "Settles by" in out
    assert "in 1 min" in out
    assert 60 < settled("show", row.id, "--json").json["settles_in"] < 70


def test_show_of_a_row_that_was_written_by_hand_says_its_text_as_it_is(home, settled):
    task_id = "00000000-0000-7000-8000-000000000001"
    far = home.ledger.store.now() + 60_000
    home.sql(
        "INSERT INTO task_results (id, arguments, deadline_at, settles_at) VALUES (?, ?, ?, ?)",
        (task_id, "no json", far, 1 << 60),
    )
    assert '"no json"' in settled("show", task_id).out
    assert settled("show", task_id, "--json").json["arguments"] == "no json"


def test_machines_find_the_fields_of_the_http_surface_with_the_same_values(home, settled):
    progress = home.running()
    home.ledger.record_progress(Progress(progress.id, 1, 0.25, "a quarter"))
    for row in (
        home.completed('{"n": 1}'),
        home.failed("It broke.", error_type="ValueError"),
        home.pending(),
        progress,
    ):
        document = settled("show", row.id, "--json").json
        wire = json.loads(body_of(home.ledger.get(row.id)))
        for passing in ("settles_in", "retry_after"):
            del wire[passing]
        assert {name: document[name] for name in wire} == wire


@pytest.mark.parametrize("text", ["NaN", "no json", "[" * 5_000])
def test_a_result_that_was_written_by_hand_and_is_no_json_is_shown_as_text(home, settled, text):
    row = home.pending()
    home.sql("UPDATE task_results SET status = 'completed', result_data = ? WHERE id = ?", (text, row.id))
    assert settled("show", row.id, "--json").json["result"] == text
    assert settled("show", row.id).status == settled("ls").status == 0


def test_show_of_an_unknown_id_exits_3_and_of_no_id_2(home, settled):
    unknown = settled("show", new_id(home.ledger.store.now()))
    assert (unknown.status, unknown.out) == (3, "")
    assert "No task has the id" in unknown.err
    assert settled("show", "4711").status == 2
