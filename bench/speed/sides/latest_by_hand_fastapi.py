"""Reads of keys by hand in FastAPI."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response

from bench.speed.sides import latest_by_hand

db = latest_by_hand.connect()
app = FastAPI()


@app.get("/latest/{name}/{key:path}")
async def latest(name: str, key: str, response: Response) -> dict[str, Any]:
    response.headers["cache-control"] = "private, no-cache"
    return latest_by_hand.answer(db, name, key)
