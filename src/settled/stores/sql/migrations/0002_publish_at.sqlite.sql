-- When a pending task is to be published again to the engine that carries it to a worker: the broker may have lost
-- it. Not told: five seconds after it was due, for whoever inserted it has published it (base.PUBLISH_AFTER_MS).
ALTER TABLE task_results ADD COLUMN publish_at INTEGER;
-- What the publisher looks through.
CREATE INDEX task_results_publish ON task_results (coalesce(publish_at, due_at + 5000)) WHERE status = 'pending';
