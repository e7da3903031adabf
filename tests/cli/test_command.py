"""The command as a whole: usage, version, demo, broken pipes, odd encodings."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from settled import __version__
from settled import demo as page
from settled.cli import demo

COMMANDS = ["ls", "show", "cancel", "retry", "wait", "sweep", "prune", "worker", "demo", "doctor"]


def call(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "settled.cli", *arguments]
    environment = os.environ | options.pop("environment", {})
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=30, env=environment, **options)


def test_the_version_is_the_packages(settled):
    assert settled("--version").out == f"settled {__version__}\n"


def test_no_command_shows_the_help_and_is_wrong_usage(settled):
    said = settled()
    assert said.status == 2
    assert all(f"    {name} " in said.err for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(settled, name):
    said = settled(name, "--help")
    assert said.status == 0
    assert "--ledger" in said.out or name == "worker"


def test_an_unknown_command_is_wrong_usage(settled):
    assert settled("list").status == 2


def test_a_reader_that_has_gone_is_no_error_to_speak_of(home):
    home.pending()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = call("ls", "--json", stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_encoding_that_lacks_a_letter_is_no_error(home):
    row = home.completed('"世界"')
    done = call("show", row.id, stdout=subprocess.PIPE, environment={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u4e16\u754c" in done.stdout


def test_the_demo_says_what_it_needs(settled, monkeypatch):
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    said = settled("demo")
    assert said.status == 2
    assert f"pip install {' '.join(demo.NEEDED)}" in said.err


def test_the_demo_has_a_ledger_of_its_own_unless_it_is_given_one(settled, monkeypatch):
    served = []
    monkeypatch.setenv("SETTLED_LEDGER", "sqlite:///work.db")
    monkeypatch.setattr(page, "serve", lambda *given, also: served.append((*given, also)))
    settled("demo", "--port", "9000")
    settled("demo", "--host", "0.0.0.0", "--ledger", "sqlite:///x.db", "--also", "settled.demo")
    assert served == [("127.0.0.1", 9000, []), ("0.0.0.0", 8000, "sqlite:///x.db", ["settled.demo"])]


@pytest.mark.parametrize("name", ["nowhere", "settled.cli", "settled.policy"])
def test_the_demo_serves_nothing_beside_it_that_has_no_app(settled, name):
    said = settled("demo", "--also", name)
    assert said.status == 2
    assert f"{name}.app" in said.err


@pytest.mark.parametrize("port", ["0", "65535", "-1", "http"])
def test_the_demo_refuses_a_port_that_is_none(settled, port):
    assert settled("demo", f"--port={port}").status == 2
