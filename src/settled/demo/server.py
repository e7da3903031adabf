"""Serves the demo with uvicorn, on a ledger of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module


def serve(
    host: str = "127.0.0.1", port: int = 8000, ledger_url: str = "sqlite:///settled-demo.db", also: Sequence[str] = ()
) -> None:
    """Serve the page until the process is told to end; the local site listens on the next port.

    ``also`` names packages whose ``app`` (a FastAPI, in their module ``app``) is served below ``/NAME``.
    """
    os.environ["SETTLED_DEMO_LEDGER"] = ledger_url  # for settled.demo.ledger
    import uvicorn

    from settled.demo.app import app, serve_too

    for name in also:
        serve_too(f"/{name}", import_module(f"{name}.app").app)
    app.state.site_port = port + 1
    uvicorn.run(app, host=host, port=port, access_log=False, timeout_graceful_shutdown=5)
