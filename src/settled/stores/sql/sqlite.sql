-- Every statement of the SQLite store, by name. Parameters are named; :now is the ledger's instant,
-- read inside the same transaction. The columns of {task} are those of records.Snapshot, in order.

-- name: read_clock
-- The anchor of the ledger's clock.
SELECT anchor_wall - anchor_steady, boot FROM task_ledger;

-- name: begin
-- What every transaction starts from: the clock's offset, and who may be given work.
SELECT anchor_wall - anchor_steady, (SELECT group_concat(id) FROM task_workers WHERE lost_at IS NULL) FROM task_ledger;

-- name: anchor_clock
UPDATE task_ledger SET boot = :boot, anchor_wall = :wall, anchor_steady = :steady;

-- name: last_instant
-- The latest instant that the ledger has seen; looked for once a boot, in all of it.
SELECT max(pulse_at, coalesce((SELECT max(heard_at) FROM task_workers), 0),
           coalesce((SELECT max(max(created_at, coalesce(started_at, 0), coalesce(finished_at, 0))) FROM task_results), 0),
           coalesce((SELECT max(got_at) FROM task_latest), 0))
FROM task_ledger;

-- name: read_ledger
SELECT version, boot, pulse_at, steady_since, refused, retention_ms FROM task_ledger;

-- name: idle
-- Whether no worker lives and no task is open: only then may the ledger's clock be set.
SELECT NOT EXISTS (SELECT 1 FROM task_workers)
   AND NOT EXISTS (SELECT 1 FROM task_results WHERE status IN ('pending', 'running'));

-- name: insert_tasks
-- A task is born with its bound; with a worker it is born running, claimed in the same statement. All are
-- inserted, or none if the clock was set or that worker may not be given work; rows without an id are padding.
INSERT INTO task_results (id, status, name, arguments, key, owner, attempt, max_attempts, timeout_ms, lease_ms,
                          backoff_ms, created_at, started_at, due_at, deadline_at, settles_at, worker, retry_of{more})
SELECT v.* FROM (
    SELECT 1 FROM task_ledger WHERE anchor_wall - anchor_steady = ?
       AND (? IS NULL OR EXISTS (SELECT 1 FROM task_workers WHERE id = ? AND lost_at IS NULL)))
CROSS JOIN (VALUES {rows}) v WHERE v.column1 IS NOT NULL;

-- name: insert_keyed
-- The same for a task with an idempotency key, which may be taken, or with an id of its own.
INSERT INTO task_results (id, status, name, arguments, key, owner, attempt, max_attempts, timeout_ms, lease_ms,
                          backoff_ms, created_at, started_at, due_at, deadline_at, settles_at, worker, retry_of{more})
VALUES {row}
ON CONFLICT DO NOTHING;

-- name: read_key
SELECT {task} FROM task_results WHERE id = ? UNION ALL
SELECT {task} FROM task_results WHERE name = ? AND key = ? AND coalesce(owner, '') = coalesce(?, '') LIMIT 1;

-- name: read_task
SELECT {task} FROM task_results WHERE id = ?;

-- name: read_tasks
SELECT {task} FROM task_results WHERE id IN (SELECT value FROM json_each(?));

-- name: batch_states
-- Of the tasks of a batch by status, out of an index alone; and of its first task.
SELECT s.status, s.count, s.finished_at, s.settles_at, f.name, f.owner, f.created_at
FROM (SELECT status, count(*) AS count, max(finished_at) AS finished_at, max(settles_at) AS settles_at
      FROM task_results WHERE batch = :batch GROUP BY status) s
CROSS JOIN (SELECT name, owner, created_at FROM task_results WHERE batch = :batch ORDER BY id LIMIT 1) f;

-- name: batch_page
SELECT {task} FROM task_results WHERE batch = :batch AND id > coalesce(:after, '') ORDER BY id LIMIT :limit;

-- name: batch_open
SELECT {task} FROM task_results WHERE batch = :batch AND status IN ('pending', 'running') LIMIT :limit;

-- name: batch_begun
SELECT {task} FROM task_results WHERE batch = :batch AND status = 'running' UNION ALL
SELECT {task} FROM task_results WHERE batch = :batch AND status = 'pending' AND attempt > 0 LIMIT :limit;

-- name: batch_ended
-- What has settled since an instant. One that was settled by hand may not say when: it is found page by page.
SELECT {task} FROM task_results
WHERE batch = :batch AND status IN ('completed', 'failed') AND finished_at >= :since
  AND (finished_at > :since OR id > :after)
ORDER BY finished_at, id LIMIT :limit;

-- name: batch_failed
SELECT {task} FROM task_results
WHERE batch = :batch AND id > coalesce(:after, '') AND status = 'failed' ORDER BY id LIMIT :limit;

-- name: batch_failures
SELECT coalesce(reason, 'exception'), error_message, error_type, count(*) AS count
FROM task_results WHERE batch = :batch AND status = 'failed'
GROUP BY 1, 2, 3 ORDER BY count DESC, 1, 2 LIMIT :limit;

-- name: batch_overdue
-- By the index of deadlines: what is overdue is little, what a batch has open may be much.
SELECT {task} FROM task_results INDEXED BY task_results_open
WHERE status IN ('pending', 'running') AND deadline_at <= :now AND batch = :batch ORDER BY deadline_at LIMIT :limit;

-- name: batch_workers
SELECT DISTINCT worker FROM task_results WHERE batch = :batch AND status = 'running';

-- name: batch_marks
-- What a waiter could notice of these batches.
SELECT batch, json_group_array(status || count) FROM (
    SELECT batch, status, count(*) AS count FROM task_results
    WHERE batch IN (SELECT value FROM json_each(:batches)) GROUP BY batch, status)
GROUP BY batch;

-- name: settle
-- The one door to a terminal status: fenced by id, attempt and the status that the verdict was formed on.
-- Past the bound only the verdict of expiry counts, and of those none that depends on what became of a
-- worker. All of the verdicts are written, or none.
UPDATE task_results SET
    status = v.status, result_data = v.result_data, reason = v.reason, error_message = v.error_message,
    error_type = v.error_type, traceback = v.traceback, retry_after_ms = v.retry_after_ms, finished_at = ?
FROM (SELECT t.rowid AS task, w.*, count(*) OVER () AS count
      FROM (SELECT column1 AS id, column2 AS attempt, column3 AS seen, column4 AS status, column5 AS result_data,
                   column6 AS reason, column7 AS error_message, column8 AS error_type, column9 AS traceback,
                   column10 AS expiry, column11 AS retry_after_ms FROM (VALUES {rows})) w
      CROSS JOIN task_results t ON t.id = w.id
      WHERE t.attempt = w.attempt AND t.status = w.seen AND (t.settles_at > ? OR w.expiry AND w.reason <> 'worker_lost')) v
WHERE task_results.rowid = v.task AND v.count = ?
  AND (SELECT anchor_wall - anchor_steady FROM task_ledger) = ?;

-- name: overtaken
-- Whether the bound of one of these tasks (a JSON list) lies between two instants.
SELECT EXISTS (SELECT 1 FROM task_results
               WHERE id IN (SELECT value FROM json_each(?)) AND settles_at > ? AND settles_at <= ?);

-- name: put_back
-- Another attempt: not before due_at, to be started by deadline_at; fenced in the same way.
UPDATE task_results SET
    status = 'pending', worker = NULL, due_at = v.due_at, publish_at = v.due_at, deadline_at = v.deadline_at,
    previous_error = v.error,
    error_type = v.error_type, traceback = v.traceback, progress = NULL, progress_message = NULL
FROM (SELECT t.rowid AS task, w.*, count(*) OVER () AS count
      FROM (SELECT column1 AS id, column2 AS attempt, column3 AS seen, column4 AS due_at, column5 AS deadline_at,
                   column6 AS error, column7 AS error_type, column8 AS traceback FROM (VALUES {rows})) w
      CROSS JOIN task_results t ON t.id = w.id
      WHERE t.attempt = w.attempt AND t.status = w.seen AND t.settles_at > ?) v
WHERE task_results.rowid = v.task AND v.count = ?
  AND (SELECT anchor_wall - anchor_steady FROM task_ledger) = ?;

-- name: claim
-- The only gate to running: due, not overdue, of a name that the worker knows, and for a worker that is
-- not lost: one that was frozen must enlist anew first.
UPDATE task_results SET status = 'running', attempt = attempt + 1, started_at = :now, worker = :worker,
                        error_type = NULL, traceback = NULL,
                        deadline_at = min(:now + timeout_ms + :margin, settles_at)
WHERE rowid IN (
    SELECT rowid FROM task_results
    WHERE status = 'pending' AND lane IS NULL AND due_at <= :now AND deadline_at > :now
      AND name IN (SELECT value FROM json_each(:names)) AND (:id IS NULL OR id = :id)
      AND EXISTS (SELECT 1 FROM task_workers w WHERE w.id = :worker AND w.lost_at IS NULL)
    ORDER BY due_at, rowid LIMIT :limit)
RETURNING {task};

-- name: next_due
-- When the next pending task of these names may be claimed that is in no lane, and whether any is in one.
SELECT (SELECT min(due_at) FROM task_results
        WHERE status = 'pending' AND lane IS NULL AND name IN (SELECT value FROM json_each(?))),
       EXISTS (SELECT 1 FROM task_results WHERE status = 'pending' AND lane IS NOT NULL);

-- name: lanes
-- The lanes in which a task of these names waits, the longest waiting first: its limits, how many run, its rate's state.
-- One probe for each lane and not for each task. Each says how many an engine was told of that nobody has claimed.
WITH RECURSIVE walk (lane) AS (
    SELECT * FROM (SELECT lane FROM task_results WHERE status = 'pending' AND lane IS NOT NULL ORDER BY lane LIMIT 1)
    UNION ALL
    SELECT (SELECT t.lane FROM task_results t
            WHERE t.status = 'pending' AND t.lane IS NOT NULL AND t.lane > walk.lane ORDER BY t.lane LIMIT 1)
    FROM walk WHERE walk.lane IS NOT NULL)
SELECT h.lane, h.due_at, h.lane_places, h.lane_gap_us,
       (SELECT count(*) FROM task_results r WHERE r.status = 'running' AND r.lane IS NOT NULL AND r.lane = h.lane),
       coalesce((SELECT next_us FROM task_lanes l WHERE l.lane = h.lane), 0),
       (SELECT count(*) FROM task_results p
        WHERE p.status = 'pending' AND p.lane IS NOT NULL AND p.publish_at IS NOT NULL AND p.lane = h.lane
          AND p.publish_at > :now AND p.due_at <= :now)
FROM walk CROSS JOIN task_results h ON h.rowid = (
    SELECT t.rowid FROM task_results t
    WHERE t.status = 'pending' AND t.lane IS NOT NULL AND t.lane = walk.lane AND t.deadline_at > :now
      AND t.name IN (SELECT value FROM json_each(:names)) AND (:id IS NULL OR t.id = :id)
    ORDER BY t.due_at, t.rowid LIMIT 1)
ORDER BY h.due_at;

-- name: lane_of
-- The lane of one task, alike.
SELECT h.lane, h.due_at, h.lane_places, h.lane_gap_us,
       (SELECT count(*) FROM task_results r WHERE r.status = 'running' AND r.lane IS NOT NULL AND r.lane = h.lane),
       coalesce((SELECT next_us FROM task_lanes l WHERE l.lane = h.lane), 0), 0
FROM task_results h WHERE h.id = :id AND h.status = 'pending' AND h.lane IS NOT NULL;

-- name: claim_lane
-- The same gate, for the next tasks of a lane that has room for so many.
UPDATE task_results SET status = 'running', attempt = attempt + 1, started_at = :now, worker = :worker,
                        error_type = NULL, traceback = NULL,
                        deadline_at = min(:now + timeout_ms + :margin, settles_at)
WHERE rowid IN (
    SELECT rowid FROM task_results
    WHERE status = 'pending' AND lane IS NOT NULL AND lane = :lane AND due_at <= :now AND deadline_at > :now
      AND name IN (SELECT value FROM json_each(:names)) AND (:id IS NULL OR id = :id)
      AND EXISTS (SELECT 1 FROM task_workers w WHERE w.id = :worker AND w.lost_at IS NULL)
    ORDER BY due_at, rowid LIMIT :room)
RETURNING {task};

-- name: lane_took
-- From when on the lane's rate permits another start.
INSERT INTO task_lanes (lane, next_us) VALUES (:lane, :next_us)
ON CONFLICT (lane) DO UPDATE SET next_us = excluded.next_us;

-- name: lane_was_full
-- An engine has brought this task in vain.
UPDATE task_results SET publish_at = min(coalesce(publish_at, :soon), :soon) WHERE id = :id AND status = 'pending';

-- name: publish_lane
-- The next tasks of a lane that an engine is to be told of.
UPDATE task_results SET publish_at = :now + min(max(:now - due_at, :after), :within)
WHERE rowid IN (
    SELECT rowid FROM task_results
    WHERE status = 'pending' AND lane IS NOT NULL AND lane = :lane AND due_at <= :now AND deadline_at > :now
      AND name IN (SELECT value FROM json_each(:names)) AND coalesce(publish_at, 0) <= :now
    ORDER BY due_at, rowid LIMIT :room)
RETURNING {task};

-- name: prune_lanes
-- A rate that has no say any more need not be remembered.
DELETE FROM task_lanes WHERE next_us < :now_us;

-- name: publish
-- Pending tasks that an engine is to be told of again; the next time is as far away as the task is old.
UPDATE task_results SET publish_at = :now + min(max(:now - due_at, :after), :within)
WHERE rowid IN (
    SELECT rowid FROM task_results
    WHERE status = 'pending' AND lane IS NULL AND coalesce(publish_at, due_at + 5000) <= :now AND deadline_at > :now
      AND name IN (SELECT value FROM json_each(:names))
    ORDER BY coalesce(publish_at, due_at + 5000) LIMIT :limit)
RETURNING {task};

-- name: next_publish
-- When the next pending task of these names is to be published again.
SELECT coalesce(publish_at, due_at + 5000) FROM task_results
WHERE status = 'pending' AND lane IS NULL AND name IN (SELECT value FROM json_each(?))
ORDER BY coalesce(publish_at, due_at + 5000) LIMIT 1;

-- name: progress
UPDATE task_results SET progress = ?, progress_message = ? WHERE id = ? AND attempt = ? AND status = 'running';

-- name: overdue
-- Open rows past their deadline, soonest first; the partial index makes it one probe when there are none.
SELECT {task} FROM task_results
WHERE status IN ('pending', 'running') AND deadline_at <= ? ORDER BY deadline_at LIMIT ?;

-- name: orphans
-- Running rows whose worker is gone: declared lost, or without a row.
SELECT {task} FROM task_results
WHERE status IN ('pending', 'running') AND status = 'running'
  AND NOT EXISTS (SELECT 1 FROM task_workers w WHERE w.id = task_results.worker AND w.lost_at IS NULL) LIMIT ?;

-- name: held_by
SELECT {task} FROM task_results WHERE status IN ('pending', 'running') AND status = 'running' AND worker = ?;

-- name: next_deadline
SELECT min(deadline_at) FROM task_results WHERE status IN ('pending', 'running');

-- name: not_running
-- Which of these attempts (JSON: [[id, attempt], …]) are not running any more.
SELECT json_extract(asked.value, '$[0]'), json_extract(asked.value, '$[1]') FROM json_each(?) asked
WHERE NOT EXISTS (
    SELECT 1 FROM task_results t
    WHERE t.id = json_extract(asked.value, '$[0]') AND t.attempt = json_extract(asked.value, '$[1]') AND t.status = 'running');

-- name: marks
-- What a waiter could notice of these tasks, as one JSON object: one row is one crossing into SQLite.
SELECT json_group_object(id, json_array(status, attempt, progress, progress_message))
FROM task_results WHERE id IN (SELECT value FROM json_each(?));

-- name: list
-- By rowid, for those that are born in one instant have ids in any order.
SELECT {task} FROM task_results
WHERE (:status IS NULL OR status = :status) AND (:name IS NULL OR name = :name)
  AND (:reason IS NULL OR reason = :reason)
  AND rowid < CASE WHEN :before IS NULL THEN 9223372036854775807 ELSE (SELECT rowid FROM task_results WHERE id = :before) END
ORDER BY rowid DESC LIMIT :limit;

-- name: counts
SELECT status, reason, count(*) FROM task_results GROUP BY status, reason;

-- name: past_bound
SELECT {task} FROM task_results WHERE status IN ('pending', 'running') AND settles_at <= ? LIMIT 100;

-- name: backlog
-- What is due and nobody has picked up, by name.
SELECT name, count(*), min(due_at) FROM task_results WHERE status = 'pending' AND due_at <= ? GROUP BY name;

-- name: prunable
-- What prune would delete, counted up to a limit.
SELECT count(*) FROM (
    SELECT 1 FROM task_results WHERE id < ? AND status IN ('completed', 'failed') AND coalesce(finished_at, settles_at) < ? LIMIT ?);

-- name: schema
-- What a migration made, to be compared with what is there; the file may hold other people's tables too.
SELECT type, name, sql FROM sqlite_master
WHERE sql IS NOT NULL AND tbl_name IN ('task_results', 'task_workers', 'task_ledger', 'task_lanes', 'task_latest', 'task_latest_history');

-- name: prune
-- By id, which carries the creation time; a task that settled late is kept for its full retention.
-- One that was settled by hand does not say when. An id that is later than now was given by somebody else.
DELETE FROM task_results WHERE rowid IN (
    SELECT rowid FROM task_results
    WHERE (id < ? OR id > ?) AND status IN ('completed', 'failed') AND coalesce(finished_at, settles_at) < ? LIMIT ?);

-- name: delete
DELETE FROM task_results WHERE id = ? AND status IN ('completed', 'failed');

-- name: enlist
-- One that is there already was enlisted by the same write, whose answer was lost.
INSERT INTO task_workers (id, host, pid, names, started_at, heard_at, lease_ms, engine, processes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: beat
-- A worker that was declared lost is not heard any more: it must enlist anew.
UPDATE task_workers SET heard_at = ? WHERE id = ? AND lost_at IS NULL;

-- name: pulse
-- Any heartbeat proves that the ledger can be written; a gap longer than a lease starts a new period.
UPDATE task_ledger SET steady_since = CASE WHEN ? - pulse_at > ? THEN ? ELSE steady_since END, pulse_at = ?;

-- name: read_workers
SELECT id, host, pid, names, started_at, heard_at, lease_ms, lost_at, engine, processes FROM task_workers ORDER BY started_at;

-- name: mark_lost
UPDATE task_workers SET lost_at = ? WHERE id = ? AND lost_at IS NULL AND (? OR heard_at + lease_ms < ?);

-- name: enlisted
-- Whether a worker may be given work.
SELECT EXISTS (SELECT 1 FROM task_workers WHERE id = ? AND lost_at IS NULL);

-- name: dismiss
-- A worker's row goes when the worker has gone and none of its attempts is open.
DELETE FROM task_workers WHERE id = ? AND NOT EXISTS (
    SELECT 1 FROM task_results WHERE status IN ('pending', 'running') AND status = 'running' AND worker = task_workers.id);

-- name: retain
UPDATE task_ledger SET retention_ms = ?;

-- name: count_refused
UPDATE task_ledger SET refused = refused + ?;

-- name: read_latest
SELECT {latest} FROM task_latest WHERE name = ? AND key = ?;

-- name: read_latests
-- Of pairs (JSON: [[name, key], …]), those that there are.
SELECT {latest} FROM task_latest WHERE (name, key) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?));

-- name: list_latest
SELECT {latest} FROM task_latest
WHERE (:name IS NULL OR name = :name) AND (NOT :failing OR last_error IS NOT NULL)
  AND (:after_name IS NULL OR (name, key) > (:after_name, :after_key))
ORDER BY name, key LIMIT :limit;

-- name: former
SELECT value, got_at FROM task_latest_history WHERE name = ? AND key = ? ORDER BY id DESC LIMIT ?;

-- name: start_refresh
-- One refresh for each key: only if none is open, and, unless a hand forces it, its value is missing or not fresh
-- and it may be tried again.
INSERT INTO task_latest (name, key, task, refreshing, fresh_ms, retry_ms, retry_cap_ms, keep_ms, history)
VALUES (:name, :key, :task, 1, :fresh_ms, :retry_ms, :retry_cap_ms, :keep_ms, :history)
ON CONFLICT (name, key) DO UPDATE SET
    task = excluded.task, refreshing = 1, fresh_ms = excluded.fresh_ms, retry_ms = excluded.retry_ms,
    retry_cap_ms = excluded.retry_cap_ms, keep_ms = excluded.keep_ms, history = excluded.history
WHERE NOT refreshing
  AND (:force OR retry_at <= :now AND (got_at IS NULL OR got_at + excluded.fresh_ms <= :now));

-- name: put
-- A value by hand, which is as good as a refresh's; not while one is open, but for a task that is known to be gone.
INSERT INTO task_latest (name, key, value, got_at, fresh_ms, retry_ms, retry_cap_ms, keep_ms, history)
VALUES (:name, :key, :value, :now, :fresh_ms, :retry_ms, :retry_cap_ms, :keep_ms, :history)
ON CONFLICT (name, key) DO UPDATE SET
    history = excluded.history, value = excluded.value, got_at = excluded.got_at, task = NULL, refreshing = 0,
    failures = 0, retry_at = 0, last_error = NULL, last_reason = NULL, last_error_type = NULL, last_error_at = NULL,
    fresh_ms = excluded.fresh_ms, retry_ms = excluded.retry_ms, retry_cap_ms = excluded.retry_cap_ms,
    keep_ms = excluded.keep_ms
WHERE NOT refreshing OR task = :gone;

-- name: purge
-- A key with all that is known of it; not while a refresh is open.
DELETE FROM task_latest WHERE name = :name AND key = :key AND (NOT refreshing OR task = :gone);

-- name: forget
-- Keys that nobody has asked for in so long that they were not refreshed.
DELETE FROM task_latest WHERE rowid IN (
    SELECT rowid FROM task_latest
    WHERE keep_ms IS NOT NULL AND NOT refreshing
      AND max(coalesce(got_at, 0), coalesce(last_error_at, 0)) + keep_ms < ? LIMIT ?);
