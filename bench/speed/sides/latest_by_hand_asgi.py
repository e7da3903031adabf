"""Reads of keys by hand on bare ASGI, without a framework."""

from __future__ import annotations

import json
from typing import Any

from bench.speed.sides import latest_by_hand

db = latest_by_hand.connect()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    _, _, name, key = scope["path"].split("/", 3)
    body = json.dumps(latest_by_hand.answer(db, name, key)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"private, no-cache"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
