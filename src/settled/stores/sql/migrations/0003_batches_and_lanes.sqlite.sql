-- A batch is the set of tasks that carry its id; they were submitted in the order of their ids.
ALTER TABLE task_results ADD COLUMN batch TEXT;
-- What a limit bounds is a lane. Its tasks say themselves how many of them may run at once, and how many microseconds
-- lie between two starts.
ALTER TABLE task_results ADD COLUMN lane TEXT;
ALTER TABLE task_results ADD COLUMN lane_places INTEGER CHECK (lane_places >= 1);
ALTER TABLE task_results ADD COLUMN lane_gap_us INTEGER CHECK (lane_gap_us >= 1);

-- From when on a lane with a rate may start another task, in microseconds of the ledger's clock; none: from now on.
-- How many run at once is counted in the rows, so that nothing can drift.
CREATE TABLE task_lanes (
    lane    TEXT    NOT NULL PRIMARY KEY,
    next_us INTEGER NOT NULL
);

-- What a claim and the publisher look through is without the lanes: a full one must not stand in their way.
CREATE INDEX task_results_free_due ON task_results (due_at) WHERE status = 'pending' AND lane IS NULL;
CREATE INDEX task_results_free_publish ON task_results (coalesce(publish_at, due_at + 5000))
    WHERE status = 'pending' AND lane IS NULL;
DROP INDEX task_results_due;
DROP INDEX task_results_publish;

-- The next tasks of a lane, those that run in it, and those that an engine was told of.
CREATE INDEX task_results_lane_due ON task_results (lane, due_at) WHERE status = 'pending' AND lane IS NOT NULL;
CREATE INDEX task_results_lane_busy ON task_results (lane) WHERE status = 'running' AND lane IS NOT NULL;
CREATE INDEX task_results_lane_told ON task_results (lane, publish_at)
    WHERE status = 'pending' AND lane IS NOT NULL AND publish_at IS NOT NULL;

-- A batch page by page, and how many of its tasks are in which status, and ended since when.
CREATE INDEX task_results_batch ON task_results (batch, id) WHERE batch IS NOT NULL;
CREATE INDEX task_results_batch_status ON task_results (batch, status, finished_at, settles_at)
    WHERE batch IS NOT NULL;
