"""The systems: which module, servers and workers each has, its variant, and what its settings are."""

from __future__ import annotations

from bench.zombies.system import MODULES, System

VARIANT = {"ZOMBIES_VARIANT": "hardened"}
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
            notes={"Workers": "Messages are acknowledged before they run (acks_late is off by default)."},
        ),
        System(
            "celery-hardened", "Celery, hardened", "celery_", REDIS, packages=("celery", "kombu", "redis"),
            workers=(CELERY,), environment=VARIANT,
            settings="acks_late, reject_on_worker_lost, track_started, soft limit 8 s, visibility timeout 15 s, "
            "looked at every 5 s.",
            notes={"Sudden deaths": "reject_on_worker_lost has the message delivered again, for ever."},
        ),
        System(
            "rq", "RQ", "rq_", REDIS, packages=("rq", "redis"), workers=(RQ, RQ),
            settings="Two workers, which fork for each job; job_timeout 10 s, no retries.",
            notes={"Workers": "Abandoned jobs are looked for every ten minutes by default."},
        ),
        System(
            "rq-hardened", "RQ, hardened", "rq_", REDIS, packages=("rq", "redis"), environment=VARIANT,
            workers=((*RQ, "--maintenance-interval", "5"),) * 2,
            settings="As before; abandoned jobs are looked for every 5 s (default: ten minutes).",
            notes={"Workers": "A job is abandoned 60 s after its last sign of life at the earliest."},
        ),
        System(
            "dramatiq", "Dramatiq", "dramatiq_", REDIS, packages=("dramatiq", "redis"), workers=(DRAMATIQ,),
            settings="Redis as broker and result backend, one process with two threads; time_limit 10 s, 20 retries.",
            notes={
                "Exceptions": "max_retries is 20 by default, with pauses from 15 s on.",
                "Hangs": "As for exceptions: what exceeds its time limit is retried.",
                "Results": "As for exceptions: a result that cannot be stored is retried.",
                "Workers": "heartbeat_timeout is 60 s by default: the page's minute is over before.",
                "Sudden deaths": "heartbeat_timeout is 60 s by default: the page's minute is over before.",
            },
        ),
        System(
            "dramatiq-hardened", "Dramatiq, hardened", "dramatiq_", REDIS, packages=("dramatiq", "redis"),
            workers=(DRAMATIQ,), environment=VARIANT,
            settings="max_retries 0, heartbeat_timeout 15 s (default: 60), maintenance at every tenth command.",
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
            notes={"Workers": "idle_timeout is ten minutes by default."},
        ),
        System(
            "taskiq-hardened", "TaskIQ, hardened", "taskiq_", REDIS, packages=("taskiq", "taskiq-redis", "redis"),
            workers=(TASKIQ,), environment=VARIANT, settings="As before, idle_timeout 15 s (default: ten minutes).",
            notes={"Workers": "What is unacknowledged is looked at when another message comes; here none does."},
        ),
        System(
            "saq", "SAQ", "saq_", REDIS, packages=("saq", "redis"), workers=(SAQ,),
            settings="Redis, one worker; timeout 10 s, one try.",
            notes={"Workers": "Stuck jobs are swept every minute by default."},
        ),
        System(
            "saq-hardened", "SAQ, hardened", "saq_", REDIS, packages=("saq", "redis"), workers=(SAQ,),
            environment=VARIANT, settings="As before; stuck jobs are swept every 5 s (default: a minute).",
        ),
        System(
            "procrastinate", "Procrastinate", "procrastinate_", POSTGRES, packages=("procrastinate", "psycopg"),
            workers=(PROCRASTINATE,), setup=prepared("procrastinate_"), unknown_id="999999",
            settings="PostgreSQL, one worker with two jobs at once. It knows no time limit.",
            notes={"Workers": "Stalled jobs are retried only by a task that the application writes; see hardened."},
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
            notes={"Exceptions": "max_attempts is 25 by default, with growing pauses: it is still trying."},
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
            notes={"busy-loop-gil": 'isolation="process" is for such code: see the next row.'},
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
