"""The table of the published pattern, and its two statements, for everything that is written by hand here."""

from __future__ import annotations

import json

from bench.speed.sides.work import RESULT

TABLE = "CREATE TABLE task_results (id text PRIMARY KEY, status text NOT NULL, result_data text, error_message text)"
INSERT = "INSERT INTO task_results (id, status) VALUES (%s, 'pending')"
UPDATE = "UPDATE task_results SET status = 'completed', result_data = %s WHERE id = %s"
INSERT_MANY = "INSERT INTO task_results (id, status) SELECT id, 'pending' FROM unnest(%s::text[]) v (id)"
UPDATE_MANY = """UPDATE task_results t SET status = 'completed', result_data = v.result
                 FROM unnest(%s::text[], %s::text[]) v (id, result) WHERE t.id = v.id"""
TEXT = json.dumps(RESULT)
PGBENCH = f"""\\set id random(1, 9000000000000000000)
INSERT INTO task_results (id, status) VALUES (:id::text, 'pending');
UPDATE task_results SET status = 'completed', result_data = '{"x" * len(TEXT)}' WHERE id = :id::text;
"""
"""Two statements, each its own commit."""
