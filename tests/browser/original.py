"""The app that the pattern comes from, as its logic is: a poll takes an error row for a missing one and starts anew.

Its page asks again until every row has a number, 31 times at most, and then says "timed out".
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from trafficlens.scrape import scrape

DATABASE, SOURCE = os.environ["ORIGINAL_DATABASE"], os.environ["TRAFFIC_SOURCE"]
app = FastAPI()


def run(statement: str, *values: Any) -> list[Any]:
    with contextlib.closing(sqlite3.connect(DATABASE, timeout=30)) as connection, connection:
        return connection.execute(statement, values).fetchall()


run("CREATE TABLE IF NOT EXISTS traffic_latest (domain TEXT PRIMARY KEY, visits INTEGER, last_error TEXT)")
UPSERT = (
    "INSERT INTO traffic_latest VALUES (?, ?, ?)"
    " ON CONFLICT (domain) DO UPDATE SET visits = excluded.visits, last_error = excluded.last_error"
)


def fetch(domain: str) -> None:
    try:
        run(UPSERT, domain, scrape(SOURCE, domain)["visits"], None)
    except Exception as error:
        run(UPSERT, domain, None, str(error))


@app.post("/traffic")
def traffic(domains: list[str]) -> dict[str, Any]:
    found = dict(run("SELECT domain, visits FROM traffic_latest WHERE visits IS NOT NULL"))
    for domain in domains:
        if domain not in found:
            threading.Thread(target=fetch, args=(domain,)).start()
    return {"found": {domain: found[domain] for domain in domains if domain in found}}


@app.get("/", response_class=HTMLResponse)
def page() -> str:
    return """<!doctype html><title>the original</title><p id="status">Processing</p><ul></ul><script>
      async function look(domains, polls, interval) {
        const list = document.querySelector("ul");
        for (let poll = 0; poll < polls; poll++) {
          const headers = { "Content-Type": "application/json" };
          const answer = await fetch("/traffic", { method: "POST", headers, body: JSON.stringify(domains) });
          const { found } = await answer.json();
          list.replaceChildren(...domains.map((domain) => {
            const row = document.createElement("li");
            row.textContent = `${domain}: ${found[domain] ?? "Pending"}`;
            return row;
          }));
          if (domains.every((domain) => domain in found)) return;
          await new Promise((go) => setTimeout(go, interval * 1000));
        }
        document.querySelector("#status").textContent = "timed out";
      }
    </script>"""
