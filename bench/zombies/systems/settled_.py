"""settled, as its README shows it, on the store of the environment; in every variant the same few lines.

Its hardened variant gives each task a process of its own, as the page on isolations advises for code that may crash.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response

from bench.zombies.culprits import run as run_culprit
from bench.zombies.surroundings import BROKER, ENGINE, HARDENED, LIMIT, ROLE, STORE
from settled import Tasks
from settled.web.fastapi import accepted, add_problem_handlers, tasks_router


def made() -> Tasks:
    """On SQLite the server runs the tasks itself; on PostgreSQL workers do, its own or those of an engine."""
    if not STORE.startswith("postgresql"):
        return Tasks(f"sqlite:///{STORE}/tasks.db")
    if BROKER.startswith("redis"):
        from celery import Celery

        from settled.engines.celery import CeleryEngine

        return Tasks(STORE, engine=CeleryEngine(Celery("app", broker=BROKER)))
    if ENGINE == "procrastinate":
        from procrastinate import App, PsycopgConnector

        from settled.engines.procrastinate import ProcrastinateEngine

        return Tasks(STORE, engine=ProcrastinateEngine(App(connector=PsycopgConnector(conninfo=STORE))))
    return Tasks(STORE, embedded=False)


tasks = made()
web = FastAPI(lifespan=tasks.lifespan)
web.include_router(tasks_router(tasks), prefix="/tasks")
add_problem_handlers(web)


@tasks.task(timeout=LIMIT, start_timeout=LIMIT, isolation="process" if HARDENED else None)
def run(culprit: str, token: str) -> Any:
    return run_culprit(culprit, token)


if ROLE == "web":

    @tasks.task(timeout=LIMIT, start_timeout=LIMIT)
    def gone(culprit: str, token: str) -> Any:
        """What the workers do not know any more."""


@web.post("/tasks", status_code=202)
async def submit(culprit: str, token: str, response: Response) -> dict[str, Any]:
    name = "gone" if culprit == "gone" else "run"
    return accepted(await tasks.asubmit(name, culprit, token), response)


async def prepare() -> None:
    from procrastinate import App, PsycopgConnector

    async with App(connector=PsycopgConnector(conninfo=STORE)).open_async() as app:
        await app.schema_manager.apply_schema_async()
