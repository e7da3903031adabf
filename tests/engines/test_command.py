"""``settled worker --engine`` starts the worker of the engine that the application has, and of no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from settled.cli import main
from settled.cli.exits import Exit
from tests import brokers

APP = """
from celery import Celery
from settled import Tasks
from settled.engines.celery import CeleryEngine
from settled.engines.executor import ExecutorEngine

plain = Tasks("sqlite:///plain.db")
tasks = Tasks("sqlite:///tasks.db", engine=CeleryEngine(Celery("app", broker="redis://127.0.0.1:1/0")))
pool = Tasks("sqlite:///pool.db", engine=ExecutorEngine(print, "app:pool"))
for each in (plain, tasks, pool):
    @each.task
    def add(a: int, b: int) -> int:
        return a + b
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--engine", "celery", "app:plain"], "app:plain has no engine; leave --engine out, or give its Tasks one."),
        (["--engine", "procrastinate", "app:tasks"], "The engine of app:tasks is celery, not procrastinate."),
        (["--engine", "celery", "app:tasks", "--threads", "3"], "leave --threads and --processes out"),
        (["--engine", "executor", "app:pool"], "The workers of an executor are not started with settled worker."),
        (["app:tasks", "--pass=--pool=solo"], "'--pool=solo' is for an engine's own worker, and no --engine is named."),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    (tmp_path / "app.py").write_text(APP, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "app", raising=False)
    assert main(["worker", *arguments]) == Exit.USAGE
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("*.db"))
    sys.modules.pop("app", None)


SCRIPT = """
import sys
from celery import Celery
from settled import Tasks
from settled.engines.celery import CeleryEngine

app = Celery("script", broker=sys.argv[1])
app.conf.broker_transport_options = {"global_keyprefix": sys.argv[2]}
tasks = Tasks("sqlite:///tasks.db", engine=CeleryEngine(app))

@tasks.task
def add(a: int, b: int) -> int:
    return a + b

for number in range(20):
    add.submit(number, number)
"""


def test_a_script_that_submits_and_ends_has_published_before_it_is_gone(tmp_path: Path) -> None:
    prefix = f"settled-test-{os.urandom(6).hex()}:"
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    subprocess.run([sys.executable, "script.py", brokers.redis_url(), prefix], cwd=tmp_path, timeout=60, check=True)
    with Redis.from_url(brokers.redis_url()) as redis:
        assert redis.llen(f"{prefix}settled") == 20
        redis.delete(*redis.scan_iter(f"{prefix}*"))
