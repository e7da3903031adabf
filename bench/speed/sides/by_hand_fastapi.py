"""Polls by hand in FastAPI."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException, Response

from bench.speed.sides import by_hand

db = by_hand.connect()
app = FastAPI()


@app.get("/tasks/{task_id}")
async def status(task_id: str, response: Response) -> dict[str, Any]:
    found = by_hand.answer(db, task_id)
    if found is None:
        raise HTTPException(404)
    response.headers["cache-control"] = "private, max-age=604800, immutable" if found["settled"] else "no-store"
    return found
