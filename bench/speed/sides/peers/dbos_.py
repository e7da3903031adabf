"""DBOS on SQLite: as on PostgreSQL, which the other module describes, with its default database."""

from __future__ import annotations

import asyncio
import json

from bench.speed.sides.in_flight import asked
from bench.speed.sides.postgres import dbos_

if __name__ == "__main__":
    wish = asked()
    print(json.dumps(asyncio.run(dbos_.main({**wish, "url": f"sqlite:///{wish['folder']}/dbos.sqlite"}))))
