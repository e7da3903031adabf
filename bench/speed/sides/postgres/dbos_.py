"""DBOS, a library like ours: one process starts workflows, runs them and waits; it keeps results itself.

``start_workflow_async`` writes the workflow as pending and starts it here, which is its fastest way.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from dbos import DBOS, DBOSConfig, WorkflowHandleAsync

from bench.speed.sides.in_flight import asked, measure_with_worker
from bench.speed.sides.work import nothing


async def main(wish: dict[str, Any]) -> dict[str, float]:
    config: DBOSConfig = {"name": "bench", "system_database_url": wish["url"], "log_level": "ERROR"}
    DBOS(config=config)
    workflow = DBOS.workflow()(nothing)
    DBOS.launch()

    async def submit(number: int) -> WorkflowHandleAsync[dict[str, object]]:
        return await DBOS.start_workflow_async(workflow, number)

    async def finish(handle: WorkflowHandleAsync[dict[str, object]]) -> object:
        return await handle.get_result()

    try:
        return await measure_with_worker(submit, finish, wish["in_flight"], wish["warm"], wish["seconds"])
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(asked()))))
