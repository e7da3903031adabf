-- Every statement of the PostgreSQL store, by name. {schema} is the ledger's; the columns of {task} are
-- those of records.Snapshot, in order. A statement that writes many rows takes each column as one array,
-- in the order of the primary key, so that two batches lock in the same order; it answers with one row,
-- whose first column is the instant of its transaction.

-- name: version
SELECT version FROM {schema}.task_ledger;

-- name: set_version
UPDATE {schema}.task_ledger SET version = %(version)s::int;

-- name: read_all
-- Every value of every row, decoded.
SELECT count(*), sum(length(t::text)) FROM {schema}.task_results t;

-- name: now
-- What the ledger is called, whatever the way to it, and what time it is there.
SELECT {schema}.now_ms(), id FROM {schema}.task_ledger;

-- name: insert
-- A task is born with its bound; with a worker that may be given work it is born running, claimed in the
-- same statement. Answers with those of the workers that may not.
WITH v AS (
    SELECT v.*, w.id AS alive
    FROM unnest(%(id)s::text[], %(name)s::text[], %(arguments)s::text[], %(key)s::text[], %(owner)s::text[],
                %(start)s::bigint[], %(timeout)s::bigint[], %(lease)s::bigint[], %(backoff)s::bigint[],
                %(attempts)s::int[], %(reserve)s::bigint[], %(retry_of)s::text[], %(worker)s::text[], %(batch)s::text[],
                %(lane)s::text[], %(places)s::int[], %(gap)s::bigint[], %(latest)s::text[])
         v (id, name, arguments, key, owner, start, timeout, lease, backoff, attempts, reserve, retry_of, worker, batch,
            lane, places, gap, latest)
    LEFT JOIN {schema}.task_workers w ON w.id = v.worker AND w.lost_at IS NULL),
born AS (
    INSERT INTO {schema}.task_results (
        id, status, name, arguments, key, owner, attempt, max_attempts, timeout_ms, lease_ms, backoff_ms, created_at,
        started_at, due_at, deadline_at, settles_at, worker, retry_of, batch, lane, lane_places, lane_gap_us,
        latest)
    SELECT v.id, CASE WHEN alive IS NULL THEN 'pending' ELSE 'running' END, v.name, v.arguments, v.key, v.owner,
        CASE WHEN alive IS NULL THEN 0 ELSE 1 END, v.attempts, v.timeout, v.lease, v.backoff, c.now,
        CASE WHEN alive IS NULL THEN NULL ELSE c.now END, c.now,
        CASE WHEN alive IS NULL THEN c.now + v.start
             ELSE least(c.now + v.timeout + %(margin)s::bigint, c.now + v.start + v.reserve) END,
        c.now + v.start + v.reserve, alive, v.retry_of, v.batch, v.lane, v.places, v.gap, v.latest
    FROM v, (SELECT {schema}.began_ms() AS now) c {guard}
    ON CONFLICT DO NOTHING)
SELECT {schema}.began_ms(), (SELECT json_agg(DISTINCT worker)::text FROM v WHERE worker IS NOT NULL AND alive IS NULL);

-- name: inserted
-- What an insert has left: for each id its own row, else the one that has its idempotency key.
SELECT asked_id, {task}, {schema}.began_ms()
FROM unnest(%(id)s::text[], %(name)s::text[], %(key)s::text[], %(owner)s::text[]) v (asked, asked_name, asked_key, asked_owner),
LATERAL (
    SELECT v.asked AS asked_id, one.* FROM (
        SELECT * FROM {schema}.task_results t WHERE t.id = v.asked
        UNION ALL
        SELECT * FROM {schema}.task_results t
        WHERE t.name = v.asked_name AND t.key = v.asked_key AND coalesce(t.owner, '') = coalesce(v.asked_owner, '')
    ) one LIMIT 1) found;

-- name: insert_within
-- One task in a transaction of the application's own, on whatever connection; it counts from this statement on.
-- Answers with the ledger's name too, for the connection may go elsewhere. Nobody has told an engine of it.
INSERT INTO {schema}.task_results (
    id, name, arguments, key, owner, max_attempts, timeout_ms, lease_ms, backoff_ms, retry_of, lane, lane_places,
    lane_gap_us, created_at, due_at, publish_at, deadline_at, settles_at)
SELECT CAST(%(id)s AS text), CAST(%(name)s AS text), CAST(%(arguments)s AS text), CAST(%(key)s AS text),
       CAST(%(owner)s AS text), CAST(%(attempts)s AS int), CAST(%(timeout)s AS bigint), CAST(%(lease)s AS bigint),
       CAST(%(backoff)s AS bigint), CAST(%(retry_of)s AS text), CAST(%(lane)s AS text), CAST(%(places)s AS int),
       CAST(%(gap)s AS bigint), c.now, c.now, c.now,
       c.now + CAST(%(start)s AS bigint), c.now + CAST(%(start)s AS bigint) + CAST(%(reserve)s AS bigint)
FROM (SELECT {schema}.now_ms() AS now) c
ON CONFLICT (name, key, coalesce(owner, '')) WHERE key IS NOT NULL DO NOTHING
RETURNING created_at, (SELECT id FROM {schema}.task_ledger);

-- name: read_key_within
-- The task that has an idempotency key already.
SELECT {task}, {schema}.now_ms() FROM {schema}.task_results
WHERE name = CAST(%(name)s AS text) AND key = CAST(%(key)s AS text)
  AND coalesce(owner, '') = coalesce(CAST(%(owner)s AS text), '');

-- name: complete
-- The one door to a terminal status, for successes: fenced by id, attempt and the status that the verdict
-- was formed on, and refused from the bound on, which is looked at once more when all are written.
WITH v AS (
    SELECT * FROM unnest(%(id)s::text[], %(attempt)s::int[], %(seen)s::text[], %(result)s::text[], %(number)s::int[])
        v (id, attempt, seen, result, number)),
won AS (
    UPDATE {schema}.task_results t
    SET status = 'completed', result_data = v.result::json, reason = NULL, error_message = NULL, error_type = NULL,
        traceback = NULL, finished_at = {schema}.began_ms()
    FROM v WHERE t.id = v.id AND t.attempt = v.attempt AND t.status = v.seen AND t.settles_at > {schema}.now_ms()
    RETURNING v.number, t.settles_at),
counted AS (
    UPDATE {schema}.task_ledger SET refused = refused + %(count)s::int - w.won
    FROM (SELECT count(*) AS won FROM won) w WHERE w.won < %(count)s::int)
SELECT {schema}.began_ms(), CASE WHEN count(*) < %(count)s::int THEN coalesce(json_agg(number)::text, '[]') END,
       CASE WHEN min(settles_at) <= {schema}.now_ms()
            THEN {schema}.in_time({schema}.began_ms(), '[' || min(settles_at) || ']') END
FROM won;

-- name: fail
-- The same for failures. From the bound on only the verdict of expiry counts, and of those none that depends on
-- what became of a worker; that it came late is no late write.
WITH v AS (
    SELECT * FROM unnest(%(id)s::text[], %(attempt)s::int[], %(seen)s::text[], %(reason)s::text[], %(message)s::text[],
                         %(type)s::text[], %(traceback)s::text[], %(expiry)s::bool[], %(number)s::int[], %(retry)s::bigint[])
        v (id, attempt, seen, reason, message, type, traceback, expiry, number, retry)),
won AS (
    UPDATE {schema}.task_results t
    SET status = 'failed', result_data = NULL, reason = v.reason, error_message = v.message, error_type = v.type,
        traceback = v.traceback, finished_at = {schema}.began_ms(), retry_after_ms = v.retry
    FROM v WHERE t.id = v.id AND t.attempt = v.attempt AND t.status = v.seen
        AND (t.settles_at > {schema}.now_ms() OR v.expiry AND v.reason <> 'worker_lost')
    RETURNING v.number, v.expiry),
counted AS (
    UPDATE {schema}.task_ledger SET refused = refused + w.late
    FROM (SELECT (SELECT count(*) FROM v WHERE NOT expiry) - (SELECT count(*) FROM won WHERE NOT expiry) AS late) w
    WHERE w.late > 0)
SELECT {schema}.began_ms(), CASE WHEN count(*) < %(count)s::int THEN coalesce(json_agg(number)::text, '[]') END
FROM won;

-- name: put_back
-- Another attempt: not before due_at, to be started by deadline_at; fenced in the same way.
WITH v AS (
    SELECT * FROM unnest(%(id)s::text[], %(attempt)s::int[], %(seen)s::text[], %(due)s::bigint[], %(deadline)s::bigint[],
                         %(message)s::text[], %(type)s::text[], %(traceback)s::text[], %(expiry)s::bool[],
                         %(number)s::int[])
        v (id, attempt, seen, due, deadline, message, type, traceback, expiry, number)),
won AS (
    UPDATE {schema}.task_results t
    SET status = 'pending', worker = NULL, due_at = v.due, publish_at = v.due, deadline_at = v.deadline,
        previous_error = v.message, error_type = v.type, traceback = v.traceback, progress = NULL, progress_message = NULL
    FROM v WHERE t.id = v.id AND t.attempt = v.attempt AND t.status = v.seen AND t.settles_at > {schema}.now_ms()
    RETURNING v.number, v.expiry),
counted AS (
    UPDATE {schema}.task_ledger SET refused = refused + w.late
    FROM (SELECT (SELECT count(*) FROM v WHERE NOT expiry) - (SELECT count(*) FROM won WHERE NOT expiry) AS late) w
    WHERE w.late > 0)
SELECT {schema}.began_ms(), CASE WHEN count(*) < %(count)s::int THEN coalesce(json_agg(number)::text, '[]') END
FROM won;

-- name: in_time
-- Ends the transaction if a success in it has passed its bound since it began.
SELECT {schema}.began_ms(), {schema}.in_time({schema}.began_ms(), %(bounds)s);

-- name: claim
-- The only gate to running: due, not overdue, of a name that the worker knows, and for a worker that is
-- not lost: one that was frozen must enlist anew first. What another process is claiming is passed over.
WITH picked AS (
    SELECT id FROM {schema}.task_results
    WHERE status = 'pending' AND lane IS NULL AND due_at <= (SELECT {schema}.now_ms())
      AND deadline_at > (SELECT {schema}.now_ms()) AND name = ANY (%(names)s::text[])
      AND EXISTS (SELECT 1 FROM {schema}.task_workers w WHERE w.id = %(worker)s::text AND w.lost_at IS NULL)
    ORDER BY due_at, id LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED),
claimed AS (
    UPDATE {schema}.task_results t
    SET status = 'running', attempt = attempt + 1, started_at = {schema}.began_ms(), worker = %(worker)s::text,
        error_type = NULL, traceback = NULL,
        deadline_at = least({schema}.began_ms() + timeout_ms + %(margin)s::bigint, settles_at)
    FROM picked WHERE t.id = picked.id
    RETURNING t.*)
SELECT {schema}.began_ms(), {task}, {schema}.began_ms() FROM (SELECT 1) one LEFT JOIN claimed ON true
ORDER BY due_at, id;

-- name: claim_these
-- The same for those that are asked for, in no lane or in one. If its lane has no room, an engine is to be told of
-- a task again soon; lanes are taken in order, so that two processes wait for each other in one order.
WITH claimed AS (
    UPDATE {schema}.task_results t
    SET status = 'running', attempt = attempt + 1, started_at = {schema}.began_ms(), worker = %(worker)s::text,
        error_type = NULL, traceback = NULL,
        deadline_at = least({schema}.began_ms() + timeout_ms + %(margin)s::bigint, settles_at)
    WHERE t.id = ANY (%(id)s::text[]) AND status = 'pending' AND lane IS NULL AND due_at <= {schema}.now_ms()
      AND deadline_at > {schema}.now_ms() AND name = ANY (%(names)s::text[])
      AND EXISTS (SELECT 1 FROM {schema}.task_workers w WHERE w.id = %(worker)s::text AND w.lost_at IS NULL)
    RETURNING t.*),
found AS (
    SELECT * FROM claimed
    UNION ALL
    SELECT of_lane.* FROM (
        SELECT id FROM {schema}.task_results
        WHERE id = ANY (%(id)s::text[]) AND status = 'pending' AND lane IS NOT NULL ORDER BY lane, id) asked,
    LATERAL {schema}.claim_one_of_lane(
        %(worker)s::text, %(names)s::text[], asked.id, %(margin)s::bigint, %(soon)s::bigint) of_lane)
SELECT {schema}.began_ms(), {task}, {schema}.began_ms() FROM (SELECT 1) one LEFT JOIN found ON true;

-- name: claim_lanes
-- The same for those in lanes, as far as these have room.
SELECT {schema}.began_ms(), {task}, {schema}.began_ms() FROM (SELECT 1) one
LEFT JOIN {schema}.claim_lanes(%(worker)s::text, %(names)s::text[], %(limit)s::int, %(margin)s::bigint) claimed ON true
ORDER BY due_at, id;

-- name: publish_lanes
-- The same for those in lanes: no more than may start.
SELECT {schema}.began_ms(), {task}, {schema}.began_ms() FROM (SELECT 1) one
LEFT JOIN {schema}.publish_lanes(
    %(names)s::text[], %(limit)s::int, %(after)s::bigint, %(within)s::bigint) taken ON true
ORDER BY due_at, id;

-- name: publish
-- Pending tasks that an engine is to be told of again; the next time is as far away as the task is old.
WITH picked AS (
    SELECT id FROM {schema}.task_results
    WHERE status = 'pending' AND lane IS NULL AND coalesce(publish_at, due_at + 5000) <= (SELECT {schema}.now_ms())
      AND deadline_at > (SELECT {schema}.now_ms()) AND name = ANY (%(names)s::text[])
    ORDER BY coalesce(publish_at, due_at + 5000) LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED),
taken AS (
    UPDATE {schema}.task_results t
    SET publish_at = {schema}.began_ms()
                     + least(greatest({schema}.began_ms() - due_at, %(after)s::bigint), %(within)s::bigint)
    FROM picked WHERE t.id = picked.id
    RETURNING t.*)
SELECT {schema}.began_ms(), {task}, {schema}.began_ms() FROM (SELECT 1) one LEFT JOIN taken ON true
ORDER BY due_at, id;

-- name: next_publish
-- When the next pending task of these names is to be published again.
SELECT min(coalesce(publish_at, due_at + 5000)), {schema}.began_ms() FROM {schema}.task_results
WHERE status = 'pending' AND lane IS NULL AND name = ANY (%(names)s::text[]);

-- name: progress
WITH done AS (
    UPDATE {schema}.task_results t SET progress = v.fraction, progress_message = v.message
    FROM unnest(%(id)s::text[], %(attempt)s::int[], %(fraction)s::float8[], %(message)s::text[])
        v (id, attempt, fraction, message)
    WHERE t.id = v.id AND t.attempt = v.attempt AND t.status = 'running')
SELECT {schema}.began_ms();

-- name: enlist
WITH done AS (
    INSERT INTO {schema}.task_workers (id, host, pid, names, started_at, heard_at, lease_ms, engine, processes)
    SELECT id, host, pid, names, {schema}.began_ms(), {schema}.began_ms(), lease, engine, processes
    FROM unnest(%(id)s::text[], %(host)s::text[], %(pid)s::int[], %(names)s::text[], %(lease)s::bigint[],
                %(engine)s::text[], %(processes)s::text[]) v (id, host, pid, names, lease, engine, processes)
    ON CONFLICT (id) DO NOTHING)
SELECT {schema}.began_ms();

-- name: beat
-- A worker that was declared lost is not heard any more: it must enlist anew. Any heartbeat proves that the
-- ledger can be written; a gap longer than a lease starts a new period. A few a second are proof enough:
-- the pulse is one row for all.
WITH heard AS (
    UPDATE {schema}.task_workers SET heard_at = greatest(heard_at, {schema}.began_ms())
    WHERE id = ANY (%(id)s::text[]) AND lost_at IS NULL RETURNING id),
pulse AS (
    UPDATE {schema}.task_ledger SET
        steady_since = CASE WHEN {schema}.began_ms() - pulse_at > %(lease)s::bigint
                            THEN {schema}.began_ms() ELSE steady_since END,
        pulse_at = {schema}.began_ms()
    WHERE {schema}.began_ms() - pulse_at >= 200)
SELECT {schema}.began_ms(), coalesce(json_agg(id)::text, '[]') FROM heard;

-- name: lose
WITH lost AS (
    UPDATE {schema}.task_workers w SET lost_at = {schema}.began_ms()
    FROM unnest(%(id)s::text[], %(gone)s::bool[]) v (id, gone)
    WHERE w.id = v.id AND w.lost_at IS NULL AND (v.gone OR w.heard_at + w.lease_ms < {schema}.now_ms())
    RETURNING w.id)
SELECT {schema}.began_ms(), coalesce(json_agg(id)::text, '[]') FROM lost;

-- name: dismiss
-- A worker's row goes when the worker has gone and none of its attempts is open.
WITH gone AS (
    DELETE FROM {schema}.task_workers w
    WHERE w.id = ANY (%(id)s::text[]) AND NOT EXISTS (
        SELECT 1 FROM {schema}.task_results t
        WHERE t.status IN ('pending', 'running') AND t.status = 'running' AND t.worker = w.id)
    RETURNING w.id)
SELECT {schema}.began_ms(), coalesce(json_agg(id)::text, '[]') FROM gone;

-- name: retain
WITH done AS (UPDATE {schema}.task_ledger SET retention_ms = %(age)s::bigint) SELECT {schema}.began_ms();

-- name: prune
-- By id, which carries the creation time; a task that settled late is kept for its full retention.
-- One that was settled by hand does not say when. An id that is later than now was given by somebody else.
WITH gone AS (
    DELETE FROM {schema}.task_results WHERE id IN (
        SELECT id FROM {schema}.task_results
        WHERE (id < %(before)s::text OR id > %(after)s::text) AND status IN ('completed', 'failed')
          AND coalesce(finished_at, settles_at) < {schema}.began_ms() - %(age)s::bigint
        ORDER BY id LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED)
    RETURNING 1),
forgotten AS (DELETE FROM {schema}.task_lanes WHERE next_us < {schema}.began_ms() * 1000)
SELECT {schema}.began_ms(), count(*) FROM gone;

-- name: delete
WITH gone AS (
    DELETE FROM {schema}.task_results WHERE id = ANY (%(id)s::text[]) AND status IN ('completed', 'failed') RETURNING id)
SELECT {schema}.began_ms(), coalesce(json_agg(id)::text, '[]') FROM gone;

-- name: read_tasks
-- A row is as of the instant at which the statement began, before anything was read: never later than what it says.
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results WHERE id = ANY (%(id)s::text[]);

-- name: batch_states
-- Of the tasks of a batch by status; and of its first task.
SELECT s.status, s.count, s.finished_at, s.settles_at, f.name, f.owner, f.created_at, {schema}.began_ms()
FROM (SELECT status, count(*) AS count, max(finished_at) AS finished_at, max(settles_at) AS settles_at
      FROM {schema}.task_results WHERE batch = %(batch)s::text GROUP BY status) s,
     (SELECT name, owner, created_at FROM {schema}.task_results WHERE batch = %(batch)s::text ORDER BY id LIMIT 1) f;

-- name: batch_page
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results
WHERE batch = %(batch)s::text AND id > coalesce(%(after)s::text, '') ORDER BY id LIMIT %(limit)s::int;

-- name: batch_open
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results
WHERE batch = %(batch)s::text AND status IN ('pending', 'running') LIMIT %(limit)s::int;

-- name: batch_begun
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results
WHERE batch = %(batch)s::text AND (status = 'running' OR status = 'pending' AND attempt > 0) LIMIT %(limit)s::int;

-- name: batch_ended
-- What has settled since an instant. One that was settled by hand may not say when: it is found page by page.
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results
WHERE batch = %(batch)s::text AND status IN ('completed', 'failed')
  AND (finished_at, id) > (%(since)s::bigint, %(after)s::text)
ORDER BY finished_at, id LIMIT %(limit)s::int;

-- name: batch_failed
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results
WHERE batch = %(batch)s::text AND id > coalesce(%(after)s::text, '') AND status = 'failed'
ORDER BY id LIMIT %(limit)s::int;

-- name: batch_failures
SELECT coalesce(reason, 'exception'), error_message, error_type, count(*)
FROM {schema}.task_results WHERE batch = %(batch)s::text AND status = 'failed'
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2 LIMIT %(limit)s::int;

-- name: batch_overdue
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results
WHERE status IN ('pending', 'running') AND deadline_at <= {schema}.began_ms() AND batch = %(batch)s::text
ORDER BY deadline_at LIMIT %(limit)s::int;

-- name: batch_workers
SELECT DISTINCT worker FROM {schema}.task_results WHERE batch = %(batch)s::text AND status = 'running';

-- name: batch_marks
-- What a waiter could notice of these batches.
SELECT batch, json_agg(status || count ORDER BY status)::text FROM (
    SELECT batch, status, count(*) AS count FROM {schema}.task_results
    WHERE batch = ANY (%(batches)s::text[]) GROUP BY batch, status) found
GROUP BY batch;

-- name: quiet
-- Whether no other transaction that has written tasks and was begun before the bound is under way, here, where all
-- writing is done. When another role's was begun is hidden: it may have been before.
SELECT NOT pg_is_in_recovery() AND NOT EXISTS (
    SELECT 1 FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'relation' AND relation = '{schema}.task_results'::regclass
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()
       AND coalesce(xact_start, '-infinity')
           < transaction_timestamp() - ({schema}.began_ms() - %(bound)s::bigint) * interval '1 millisecond');

-- name: overdue
-- Open rows past their deadline, soonest first; the partial index makes it one probe when there are none.
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results
WHERE status IN ('pending', 'running') AND deadline_at <= {schema}.began_ms() ORDER BY deadline_at LIMIT %(limit)s::int;

-- name: orphans
-- Running rows whose worker is gone: declared lost, or without a row.
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results t
WHERE status IN ('pending', 'running') AND status = 'running'
  AND NOT EXISTS (SELECT 1 FROM {schema}.task_workers w WHERE w.id = t.worker AND w.lost_at IS NULL)
LIMIT %(limit)s::int;

-- name: held_by
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results
WHERE status IN ('pending', 'running') AND status = 'running' AND worker = %(worker)s::text;

-- name: past_bound
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results
WHERE status IN ('pending', 'running') AND settles_at <= {schema}.began_ms() LIMIT 100;

-- name: next_deadline
SELECT min(deadline_at), {schema}.began_ms() FROM {schema}.task_results WHERE status IN ('pending', 'running');

-- name: next_due
-- When the next pending task of these names may be claimed that is in no lane, and whether any is in one.
SELECT min(due_at), {schema}.began_ms(),
       EXISTS (SELECT 1 FROM {schema}.task_results WHERE status = 'pending' AND lane IS NOT NULL)
FROM {schema}.task_results WHERE status = 'pending' AND lane IS NULL AND name = ANY (%(names)s::text[]);

-- name: next_in_lanes
-- When the next task in a lane may be claimed; full lanes do not count.
SELECT min(greatest(h.due_at, CASE WHEN h.gap_us IS NULL THEN 0
                                   ELSE ceil((coalesce(l.next_us, 0) - greatest(0, 100000 - h.gap_us)) / 1000.0) END))::bigint,
       {schema}.began_ms()
FROM {schema}.lane_heads(%(names)s::text[]) h LEFT JOIN {schema}.task_lanes l ON l.lane = h.lane
WHERE h.places IS NULL OR h.places > (
    SELECT count(*) FROM {schema}.task_results r
    WHERE r.status = 'running' AND r.lane IS NOT NULL AND r.lane = h.lane);

-- name: not_running
-- Which of these attempts are not running any more.
SELECT v.id, v.attempt FROM unnest(%(id)s::text[], %(attempt)s::int[]) v (id, attempt)
WHERE NOT EXISTS (
    SELECT 1 FROM {schema}.task_results t WHERE t.id = v.id AND t.attempt = v.attempt AND t.status = 'running');

-- name: marks
-- What a waiter could notice of these tasks.
SELECT id, status, attempt, progress, progress_message FROM {schema}.task_results WHERE id = ANY (%(id)s::text[]);

-- name: list
-- By id, which carries the creation time.
SELECT {task}, {schema}.began_ms() FROM {schema}.task_results
WHERE (%(status)s::text IS NULL OR status = %(status)s::text) AND (%(name)s::text IS NULL OR name = %(name)s::text)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s::text) AND (%(before)s::text IS NULL OR id < %(before)s::text)
ORDER BY id DESC LIMIT %(limit)s::int;

-- name: counts
SELECT status, reason, count(*) FROM {schema}.task_results GROUP BY status, reason;

-- name: backlog
-- What is due and nobody has picked up, by name.
SELECT name, count(*), min(due_at) FROM {schema}.task_results
WHERE status = 'pending' AND due_at <= {schema}.began_ms() GROUP BY name;

-- name: prunable
-- What prune would delete, counted up to a limit.
SELECT count(*) FROM (
    SELECT 1 FROM {schema}.task_results
    WHERE id < %(before)s::text AND status IN ('completed', 'failed')
      AND coalesce(finished_at, settles_at) < {schema}.began_ms() - %(age)s::bigint LIMIT %(limit)s::int) found;

-- name: read_workers
SELECT id, host, pid, names, started_at, heard_at, lease_ms, lost_at, engine, processes, {schema}.began_ms()
FROM {schema}.task_workers ORDER BY started_at;

-- name: read_ledger
SELECT version, pulse_at, steady_since, refused, retention_ms, {schema}.began_ms() FROM {schema}.task_ledger;

-- name: server
-- Which start of the server this is. One whose processes all ended at once, because one of them crashed,
-- keeps its start, and begins its statistics anew.
SELECT concat(pg_postmaster_start_time(), ' / ', (SELECT stats_reset FROM pg_stat_bgwriter));

-- name: hold
-- A shared lock: the same worker may take it anew while the server has not noticed that its old session is dead.
WITH held AS (
    INSERT INTO {schema}.task_locks (worker, key, server) VALUES (%(worker)s, %(key)s, %(server)s)
    ON CONFLICT (worker) DO UPDATE SET server = excluded.server)
SELECT pg_advisory_lock_shared(%(key)s);

-- name: release
WITH gone AS (DELETE FROM {schema}.task_locks WHERE worker = %(worker)s) SELECT 1;

-- name: unlock
SELECT pg_advisory_unlock_shared(%(key)s);

-- name: unheld
-- Workers whose lock was taken under this start of the server, and that nobody holds.
SELECT l.worker FROM {schema}.task_locks l
WHERE l.server = %(server)s AND NOT EXISTS (
    SELECT 1 FROM pg_locks p
    WHERE p.locktype = 'advisory' AND p.objsubid = 1 AND p.granted
      AND p.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((p.classid::bigint << 32) | p.objid::bigint) = l.key);

-- name: listeners
-- How many other processes listen for hints.
SELECT count(*) FROM pg_locks p
WHERE p.locktype = 'advisory' AND p.objsubid = 1 AND p.granted AND p.pid <> pg_backend_pid()
  AND p.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((p.classid::bigint << 32) | p.objid::bigint) = %(key)s::bigint;

-- name: start_refresh
-- One refresh for each key: only if none is open, and, unless a hand forces it, its value is missing or not fresh
-- and it may be tried again. A key for which that is clear beforehand is not locked. One whose task is there has been
-- started before, and only its answer was lost: it may have ended since, and would be waited for for ever.
WITH v AS (
    SELECT * FROM unnest(%(name)s::text[], %(key)s::text[], %(task)s::text[], %(fresh)s::bigint[], %(retry)s::bigint[],
                         %(cap)s::bigint[], %(keep)s::bigint[], %(history)s::int[])
        v (name, key, task, fresh, retry, cap, keep, history)),
done AS (
    INSERT INTO {schema}.task_latest AS l (
        name, key, task, refreshing, fresh_ms, retry_ms, retry_cap_ms, keep_ms, history)
    SELECT v.name, v.key, v.task, true, v.fresh, v.retry, v.cap, v.keep, v.history
    FROM v LEFT JOIN {schema}.task_latest o ON o.name = v.name AND o.key = v.key
    WHERE NOT EXISTS (SELECT 1 FROM {schema}.task_results t WHERE t.id = v.task)
      AND (o.name IS NULL OR NOT o.refreshing AND (
        %(force)s::bool OR o.retry_at <= {schema}.now_ms() AND (o.got_at IS NULL OR o.got_at + v.fresh <= {schema}.now_ms())))
    ORDER BY v.name, v.key
    ON CONFLICT (name, key) DO UPDATE SET
        task = excluded.task, refreshing = true, fresh_ms = excluded.fresh_ms, retry_ms = excluded.retry_ms,
        retry_cap_ms = excluded.retry_cap_ms, keep_ms = excluded.keep_ms, history = excluded.history
    WHERE NOT l.refreshing AND (
        %(force)s::bool OR l.retry_at <= {schema}.now_ms()
        AND (l.got_at IS NULL OR l.got_at + excluded.fresh_ms <= {schema}.now_ms())))
SELECT {schema}.began_ms();

-- name: put
-- A value by hand, which is as good as a refresh's; not while one is open, but for a task that is known to be gone.
WITH done AS (
    INSERT INTO {schema}.task_latest AS l (
        name, key, value, got_at, fresh_ms, retry_ms, retry_cap_ms, keep_ms, history)
    VALUES (%(name)s::text, %(key)s::text, %(value)s::json, {schema}.began_ms(), %(fresh_ms)s::bigint,
            %(retry_ms)s::bigint, %(retry_cap_ms)s::bigint, %(keep_ms)s::bigint, %(history)s::int)
    ON CONFLICT (name, key) DO UPDATE SET
        history = excluded.history, value = excluded.value, got_at = excluded.got_at, task = NULL, refreshing = false,
        failures = 0, retry_at = 0, last_error = NULL, last_reason = NULL, last_error_type = NULL,
        last_error_at = NULL, fresh_ms = excluded.fresh_ms, retry_ms = excluded.retry_ms,
        retry_cap_ms = excluded.retry_cap_ms, keep_ms = excluded.keep_ms
    WHERE NOT l.refreshing OR l.task = %(gone)s::text
    RETURNING 1)
SELECT {schema}.began_ms(), count(*) FROM done;

-- name: purge
-- A key with all that is known of it; not while a refresh is open.
WITH gone AS (
    DELETE FROM {schema}.task_latest
    WHERE name = %(name)s::text AND key = %(key)s::text AND (NOT refreshing OR task = %(gone)s::text) RETURNING 1)
SELECT {schema}.began_ms(), count(*) FROM gone;

-- name: forget
-- Keys that nobody has asked for in so long that they were not refreshed.
WITH gone AS (
    DELETE FROM {schema}.task_latest WHERE (name, key) IN (
        SELECT name, key FROM {schema}.task_latest
        WHERE keep_ms IS NOT NULL AND NOT refreshing
          AND greatest(coalesce(got_at, 0), coalesce(last_error_at, 0)) + keep_ms < {schema}.began_ms()
        ORDER BY name, key LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED)
    RETURNING 1)
SELECT {schema}.began_ms(), count(*) FROM gone;

-- name: read_latests
SELECT {latest}, {schema}.began_ms()
FROM unnest(%(names)s::text[], %(keys)s::text[]) v (asked_name, asked_key)
JOIN {schema}.task_latest l ON l.name = v.asked_name AND l.key = v.asked_key;

-- name: list_latest
SELECT {latest}, {schema}.began_ms() FROM {schema}.task_latest
WHERE (%(name)s::text IS NULL OR name = %(name)s::text) AND (NOT %(failing)s::bool OR last_error IS NOT NULL)
  AND (%(after_name)s::text IS NULL OR (name, key) > (%(after_name)s::text, %(after_key)s::text))
ORDER BY name, key LIMIT %(limit)s::int;

-- name: former
SELECT value, got_at FROM {schema}.task_latest_history
WHERE name = %(name)s::text AND key = %(key)s::text ORDER BY id DESC LIMIT %(limit)s::int;
