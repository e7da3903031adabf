"""The names in the pages are those of the code, and what the code has is in the pages."""

from __future__ import annotations

import argparse
import re

import pytest

import settled
from settled.cli import _parser
from settled.cli.exits import Exit
from settled.states import MOVES, RETRYABLE, TERMINAL, End, Reason, Status
from settled.web.problems import problem_of
from tests.docs.pages import PAGES, ROOT, fences

DOCS = ROOT / "docs"
CLIENT = "".join(
    (ROOT / "js/src" / name).read_text("utf-8") for name in ("wire.ts", "wait.ts", "element.ts", "style.css")
)


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def code_in(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


# -- the package


def test_every_public_name_is_in_a_page() -> None:
    everything = "".join(path.read_text("utf-8") for path in PAGES)
    assert {name for name in settled.__all__ if not re.search(rf"\b{name}\b", everything)} == set()


def test_every_error_that_the_pages_name_exists() -> None:
    kinds = r"\b(?:Bad|Ledger|Task|Not|Key|Unknown)[A-Z]\w+"
    known = {*settled.__all__, "NotSignedIn", "LedgerAway"}
    for path in PAGES:
        for name in re.findall(rf"`({kinds})`", path.read_text("utf-8")):
            assert name in known, f"{path.name}: {name}"


def test_what_a_tasks_can_do_is_named_as_it_is() -> None:
    for path in PAGES:
        for name in re.findall(r"\btasks\.([a-z_]+)", path.read_text("utf-8")):
            assert name in {"db", *dir(settled.Tasks)} or name in {"py", "docs"}, f"{path.name}: tasks.{name}"


def test_every_field_of_a_latest_value_is_in_the_page_and_no_other() -> None:
    fields = page("api.md").partition("## `Latest`\n")[2].partition("<!-- made")[0]
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]+ \| [^|]+ \|$", fields, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(settled.Latest._fields)


# -- states


def test_the_drawing_has_every_move_and_no_other() -> None:
    drawing = next(fence.text for fence in fences(DOCS / "states.md") if fence.kind == "mermaid")
    moves = re.findall(r"^\s*(\w+) --> (\w+):", drawing, re.MULTILINE)
    assert {(Status(a), Status(b)) for a, b in moves} == MOVES
    assert {Status(found) for found in re.findall(r"(\w+) --> \[\*\]", drawing)} == TERMINAL


@pytest.mark.parametrize("name", ["docs/states.md", "README.md"])
def test_the_reasons_and_which_may_be_tried_again_are_right(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (yes|no)\b[^|]*\|$", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    assert {Reason(reason) for reason, _ in rows} == set(Reason)
    assert {Reason(reason) for reason, again in rows if again == "yes"} == RETRYABLE


def test_the_glossary_has_the_six_endings() -> None:
    ending = page("glossary.md").partition("### Ending")[2].partition("###")[0]
    assert set(End) <= code_in(ending)


# -- the command line


def commands() -> dict[str, argparse.ArgumentParser]:
    actions = _parser()._actions
    found = next(action for action in actions if isinstance(action, argparse._SubParsersAction))
    return dict(found.choices)


def test_every_command_and_option_is_in_the_page_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `settled (\w+)[^`]*` \| (.+) \|$", page("cli.md"), re.MULTILINE))
    assert set(rows) == set(commands())
    for name, command in commands().items():
        options = {option for action in command._actions for option in action.option_strings if option[:2] == "--"}
        said = {word for word in code_in(rows[name]) if word.startswith("--")}
        assert said == options - {"--help", "--ledger", "--json"}, name


def test_every_exit_status_is_in_the_page() -> None:
    table = page("cli.md").partition("| exit status |")[2].partition("\n\n")[0]
    numbers = {
        int(number) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for number in cell.split(",")
    }
    assert numbers == set(Exit)


# -- the browser client


def test_the_client_page_has_every_ending_and_slot() -> None:
    ends = re.search(r'export type End = ((?:"\w+"(?: \| )?)+);', CLIENT)
    assert ends is not None
    named = set(re.findall(r'"(\w+)"', ends[1]))
    assert named == set(End)
    rows = set(re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", page("client.md").partition("| option |")[0], re.MULTILINE))
    assert rows - {"end"} == named
    slots = page("client.md").partition("A slot for each state")[2].partition("```")[0]
    assert named <= code_in(slots)


def test_the_client_page_has_every_attribute_property_part_and_event() -> None:
    text = page("client.md")
    attributes = re.search(r"observedAttributes = \[([^\]]+)\]", CLIENT)
    assert attributes is not None
    for name in re.findall(r'"(\w+)"', attributes[1]):
        assert f"| `{name}` |" in text
    properties = set(re.findall(r"var\((--settled-\w+)", CLIENT))
    assert properties == set(re.findall(r"`(--settled-\w+)`", text))
    parts = set(re.findall(r'make\("\w+", "(\w+)"', CLIENT))
    said = text.partition("parts, for")[2].partition(";\n")[0]
    assert parts == code_in(said) - {"settled-task::part(card)"}
    for event in re.findall(r'#emit\("([\w-]+)"', CLIENT):
        assert f"| `{event}` |" in text


def test_the_client_page_has_every_option_and_its_default() -> None:
    options = page("client.md").partition("| option |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", options, re.MULTILINE))
    assert set(rows) == {"signal", "onUpdate", "onTrouble", "grace", "patience", "fetch"}
    for name in ("grace", "patience"):
        default = re.search(rf"sane\(options\.{name}, (\d+)\)", CLIENT)
        assert default is not None
        assert rows[name] == default[1]


# -- HTTP


def test_every_status_that_a_problem_can_have_is_recorded_or_in_the_table() -> None:
    text = page("http.md")
    for name in settled.__all__:
        kind = getattr(settled, name)
        if isinstance(kind, type) and issubclass(kind, settled.SettledError) and kind.__name__ not in _WITH_MORE:
            status = problem_of(kind("said")).status
            assert status == 500 or f"| {status} | `urn:settled:{kind.code}`" in text, name


_WITH_MORE = {"TaskFailed", "NotSettled"}  # they end a wait, and never a request
