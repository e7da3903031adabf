"""The systems: which module, servers and workers each has, its variant, and what its settings are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

BUILD = Path(__file__).parents[2] / "build"
UVICORN = ("python", "-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "--no-access-log")
MODULES = "bench.zombies.systems"
VARIANT = {"ZOMBIES_VARIANT": "hardened"}


@dataclass(frozen=True)
class System:
    """One system in one configuration.

    servers   which server is the store, and which the broker where that is another one
    workers   commands; none: the web app runs the tasks itself
    packages  whose versions are printed
    settings  what was set, in words, and what the documentation says of it
    without   faults that cannot happen to it, with the reason
    notes     cells that depend on a setting, with the setting
    """

    name: str
    title: str
    module: str
    servers: Mapping[str, str]
    workers: tuple[tuple[str, ...], ...] = ()
    packages: tuple[str, ...] = ()
    settings: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    interpreter: str = "zombies"
    without: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    unknown_id: str = "00000000-0000-7000-8000-000000000000"

    @property
    def web(self) -> tuple[str, ...]:
        return (*UVICORN, f"{MODULES}.{self.module}:web")

    @property
    def python(self) -> Path | None:
        """The interpreter of the environment that it is installed in, if that is not the harness's own."""
        found = BUILD / self.interpreter / "bin" / "python"
        return found if found.exists() and "ZOMBIES_HERE" not in os.environ else None

    @property
    def ours(self) -> bool:
        return self.name.startswith("settled")


SQLITE, REDIS, POSTGRES = {"store": "sqlite"}, {"store": "redis"}, {"store": "postgres"}


def target(module: str, name: str) -> str:
    return f"{MODULES}.{module}:{name}"


CELERY = ("python", "-m", "celery", "-A", target("celery_", "app"), "worker", "-c", "2", "--loglevel", "warning")
RQ = ("python", "-m", "rq.cli", "worker", "--url", "{store}")
DRAMATIQ = ("python", "-m", "dramatiq", f"{MODULES}.dramatiq_", "--processes", "1", "--threads", "2")
HUEY = ("huey_consumer", target("huey_", "huey").replace(":", "."), "-w", "2")
ARQ = ("arq", target("arq_", "WorkerSettings").replace(":", "."))
TASKIQ = ("taskiq", "worker", target("taskiq_", "broker"), "--workers", "1")
SAQ = ("saq", target("saq_", "settings").replace(":", "."))
PROCRASTINATE = ("procrastinate", "--app", target("procrastinate_", "app").replace(":", "."), "worker", "-c", "2")
PGQUEUER = ("python", "-m", f"{MODULES}.pgqueuer_")
AWA = ("python", "-m", f"{MODULES}.awa_")
DJANGO = ("python", "-m", "django")
OURS = ("python", "-m", "settled.cli", "worker")


def prepared(module: str) -> tuple[str, ...]:
    return ("python", "-m", MODULES, module)


SYSTEMS = {
    system.name: system
    for system in (
        System(
            "by-hand", "The pattern by hand", "by_hand", SQLITE, packages=("fastapi",),
            settings="A table on SQLite, a thread for each task, except Exception. It knows no time limit.",
        ),
        System(
            "by-hand-hardened", "By hand, with care", "by_hand", SQLITE, packages=("fastapi",), environment=VARIANT,
            settings="As before; except BaseException, and a start of the server fails what was left open.",
        ),
        System(
            "background-tasks", "FastAPI BackgroundTasks", "background_tasks", SQLITE,
            packages=("fastapi", "sqlalchemy"),
            settings="BackgroundTasks and a table with SQLAlchemy on SQLite. It knows no time limit.",
        ),
        System(
            "taskflow", "fastapi-taskflow", "taskflow", SQLITE, packages=("fastapi-taskflow",),
            settings="Its SQLite file, its defaults. It knows no time limit.",
        ),
        System(
            "taskflow-hardened", "fastapi-taskflow, hardened", "taskflow", SQLITE, packages=("fastapi-taskflow",),
            environment=VARIANT, settings="persist and requeue_on_interrupt, a snapshot every second.",
        ),
        System(
            "celery", "Celery", "celery_", REDIS, packages=("celery", "kombu", "redis"), workers=(CELERY,),
            settings="Redis as broker and result backend, prefork with two children; time_limit 10 s.",
        ),
        System(
            "celery-hardened", "Celery, hardened", "celery_", REDIS, packages=("celery", "kombu", "redis"),
            workers=(CELERY,), environment=VARIANT,
            settings="acks_late, reject_on_worker_lost, track_started, soft limit 8 s, visibility timeout 30 s.",
        ),
        System(
            "rq", "RQ", "rq_", REDIS, packages=("rq", "redis"), workers=(RQ, RQ),
            settings="Two workers, which fork for each job; job_timeout 10 s, no retries.",
        ),
        System(
            "rq-hardened", "RQ, hardened", "rq_", REDIS, packages=("rq", "redis"), environment=VARIANT,
            workers=((*RQ, "--maintenance-interval", "5"),) * 2,
            settings="As before; abandoned jobs are looked for every 5 s (default: ten minutes).",
        ),
        System(
            "dramatiq", "Dramatiq", "dramatiq_", REDIS, packages=("dramatiq", "redis"), workers=(DRAMATIQ,),
            settings="Redis as broker and result backend, one process with two threads; time_limit 10 s, 20 retries.",
        ),
        System(
            "dramatiq-hardened", "Dramatiq, hardened", "dramatiq_", REDIS, packages=("dramatiq", "redis"),
            workers=(DRAMATIQ,), environment=VARIANT, settings="max_retries 0, heartbeat_timeout 15 s (default: 60).",
        ),
        System(
            "huey", "Huey", "huey_", REDIS, packages=("huey", "redis"), workers=(HUEY,),
            settings="Redis, a consumer with two threads; timeout 10 s.",
        ),
        System(
            "huey-hardened", "Huey, processes", "huey_", REDIS, packages=("huey", "redis"),
            workers=((*HUEY, "-k", "process"),), settings="A consumer with two processes; timeout 10 s.",
        ),
        System(
            "arq", "arq", "arq_", REDIS, packages=("arq", "redis"), workers=(ARQ,), interpreter="zombies-arq",
            settings="Redis, one worker; job_timeout 10 s, up to five tries.",
        ),
        System(
            "taskiq", "TaskIQ", "taskiq_", REDIS, packages=("taskiq", "taskiq-redis", "redis"), workers=(TASKIQ,),
            settings="Redis streams and result backend, one worker process; timeout 10 s.",
        ),
        System(
            "taskiq-hardened", "TaskIQ, hardened", "taskiq_", REDIS, packages=("taskiq", "taskiq-redis", "redis"),
            workers=(TASKIQ,), environment=VARIANT, settings="As before, idle_timeout 15 s (default: ten minutes).",
        ),
        System(
            "saq", "SAQ", "saq_", REDIS, packages=("saq", "redis"), workers=(SAQ,),
            settings="Redis, one worker; timeout 10 s, one try.",
        ),
        System(
            "saq-hardened", "SAQ, hardened", "saq_", REDIS, packages=("saq", "redis"), workers=(SAQ,),
            environment=VARIANT, settings="As before; stuck jobs are swept every 5 s (default: a minute).",
        ),
        System(
            "procrastinate", "Procrastinate", "procrastinate_", POSTGRES, packages=("procrastinate", "psycopg"),
            workers=(PROCRASTINATE,), setup=prepared("procrastinate_"), unknown_id="999999",
            settings="PostgreSQL, one worker with two jobs at once. It knows no time limit.",
        ),
        System(
            "procrastinate-hardened", "Procrastinate, hardened", "procrastinate_", POSTGRES,
            packages=("procrastinate", "psycopg"), workers=(PROCRASTINATE,), setup=prepared("procrastinate_"),
            unknown_id="999999", environment=VARIANT, settings="As before; stalled jobs (15 s) are retried every 5 s.",
        ),
        System(
            "pgqueuer", "PgQueuer", "pgqueuer_", POSTGRES, packages=("pgqueuer", "asyncpg"), workers=(PGQUEUER,),
            setup=prepared("pgqueuer_"), unknown_id="999999",
            settings="PostgreSQL, one worker, its heartbeat timeout of 30 s. It knows no time limit.",
        ),
        System(
            "dbos", "DBOS", "dbos_", POSTGRES, packages=("dbos",),
            settings="PostgreSQL, workflows in the web app; workflow timeout 10 s.",
        ),
        System(
            "awa", "awa", "awa_", POSTGRES, packages=("awa-pg",), workers=(AWA,), setup=prepared("awa_"),
            unknown_id="999999", settings="PostgreSQL, one worker, its defaults: 25 attempts.",
        ),
        System(
            "awa-hardened", "awa, hardened", "awa_", POSTGRES, packages=("awa-pg",), workers=(AWA,),
            setup=prepared("awa_"), unknown_id="999999", environment=VARIANT,
            settings="One attempt; a worker is given up on after 15 s.",
        ),
        System(
            "django-tasks", "django-tasks", "django_", POSTGRES, packages=("django-tasks", "django-tasks-db", "django"),
            workers=((*DJANGO, "db_worker"),), setup=(*DJANGO, "migrate"),
            settings="Its database backend on PostgreSQL, one db_worker. It knows no time limit.",
            environment={"DJANGO_SETTINGS_MODULE": f"{MODULES}.django_settings"},
        ),
        System(
            "settled", "settled", "settled_", SQLITE, packages=("settled",),
            settings="Embedded, SQLite, threads in the server; timeout and start_timeout 10 s, the rest by default.",
        ),
        System(
            "settled-process", "settled, isolated", "settled_", SQLITE, packages=("settled",), environment=VARIANT,
            settings='As before, with isolation="process".',
        ),
        System(
            "settled-postgres", "settled, PostgreSQL", "settled_", POSTGRES, packages=("settled",),
            workers=((*OURS, target("settled_", "tasks")),),
            settings="A ledger on PostgreSQL, one settled worker, threads; timeout and start_timeout 10 s.",
        ),
        System(
            "settled-celery", "settled over Celery", "settled_", {"store": "postgres", "broker": "redis"},
            packages=("settled", "celery", "redis"),
            workers=((*OURS, "--engine", "celery", target("settled_", "tasks"), "--concurrency", "2"),),
            settings="A ledger on PostgreSQL, carried by Celery on Redis, prefork with two children; limits as before.",
        ),
        System(
            "settled-procrastinate", "settled over Procrastinate", "settled_", POSTGRES,
            packages=("settled", "procrastinate"), environment={"ZOMBIES_ENGINE": "procrastinate"},
            workers=((*OURS, "--engine", "procrastinate", target("settled_", "tasks"), "--concurrency", "2"),),
            setup=prepared("settled_"), settings="Ledger and jobs on one PostgreSQL; limits as before.",
        ),
    )
}  # fmt: skip

QUICK = ("by-hand", "background-tasks", "celery-hardened", "rq", "settled", "settled-postgres")
"""What ``make zombies`` measures."""
