"""Serves one of the apps here with uvicorn, on a socket that the harness opened: ``… sides.serve <module> <fd>``."""

from __future__ import annotations

import importlib
import socket
import sys

import uvicorn


def main() -> None:
    """Serve until told to stop."""
    module, fd = sys.argv[1], int(sys.argv[2])
    app = importlib.import_module(f"bench.speed.sides.{module}").app
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="on", timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)])


if __name__ == "__main__":
    main()
