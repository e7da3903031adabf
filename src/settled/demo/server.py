"""Serves the demo with uvicorn, on a ledger of its own."""

from __future__ import annotations

import os


def serve(host: str = "127.0.0.1", port: int = 8000, ledger_url: str = "sqlite:///settled-demo.db") -> None:
    """Serve the page until the process is told to end; the local site listens on the next port."""
    os.environ["SETTLED_DEMO_LEDGER"] = ledger_url  # for settled.demo.ledger
    import uvicorn

    from settled.demo.app import app

    app.state.site_port = port + 1
    uvicorn.run(app, host=host, port=port, access_log=False, timeout_graceful_shutdown=5)
