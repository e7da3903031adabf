"""Polls by hand on bare ASGI, without a framework."""

from __future__ import annotations

import json
from typing import Any

from bench.speed.sides import by_hand

db = by_hand.connect()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    found = by_hand.answer(db, scope["path"].rpartition("/")[2])
    status, body = (404, b"{}") if found is None else (200, json.dumps(found).encode())
    cache = b"private, max-age=604800, immutable" if found and found["settled"] else b"no-store"
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", cache),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
