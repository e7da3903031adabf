"""``python -m trafficlens --port 8002``: serves the page, and the stand-in site unless TRAFFIC_SOURCE names another."""

from __future__ import annotations

import argparse

import uvicorn

from trafficlens.app import app

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m trafficlens", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8002)
    args = parser.parse_args()
    uvicorn.run(app, host=args.host, port=args.port, access_log=False, timeout_graceful_shutdown=5)
