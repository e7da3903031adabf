"""The app of ``compose.yaml``: two web processes and two workers run this very module."""

from __future__ import annotations

import asyncio
import os

from celery import Celery
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from settled import Context, Tasks
from settled.engines.celery import CeleryEngine
from settled.web.fastapi import accepted, tasks_router

celery = Celery("app", broker=os.environ["BROKER"])
tasks = Tasks(os.environ["LEDGER"], engine=CeleryEngine(celery, queue="settled"))


@tasks.task(timeout=60, start_timeout=120, attempts=3)
async def report(seconds: int, context: Context) -> dict[str, object]:
    """Stands for real work; kill its worker meanwhile, and it is begun again elsewhere."""
    for second in range(seconds):
        context.progress(second / seconds, f"{second} of {seconds} seconds")
        await asyncio.sleep(1)
    return {"seconds": seconds, "worker": os.environ.get("HOSTNAME"), "attempt": context.attempt}


app = FastAPI(lifespan=tasks.lifespan)
app.include_router(tasks_router(tasks), prefix="/tasks")


@app.post("/report", status_code=202)
async def start(seconds: int, response: Response) -> object:
    return accepted(await report.asubmit(seconds), response)


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return PAGE


PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>settled on many machines</title>
<style>
  body { max-width: 40rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui; color-scheme: light dark }
  settled-task { display: block; margin-block: 1rem }
</style>
<h1>settled on many machines</h1>
<p>Start a report, then stop a worker, the broker or the database, and start it again.</p>
<button>Start a report of 20 seconds</button>
<div></div>
<script type="module">
  import "/tasks/settled.js";
  document.querySelector("button").onclick = async () => {
    const answer = await fetch("/report?seconds=20", { method: "POST" });
    const task = document.createElement(answer.ok ? "settled-task" : "p");
    if (answer.ok) task.setAttribute("src", answer.headers.get("Location"));
    else task.textContent = "It could not be submitted. Is the database away?";
    task.toggleAttribute("cancellable", true);
    task.toggleAttribute("retryable", true);
    document.querySelector("div").prepend(task);
  };
</script>
"""
