-- Looks of the PostgreSQL store: each reads a bounded number of rows, whatever the table holds. A place is an id.

-- name: settings
-- Of the connection for looks alone: a look that takes longer is given up; each is planned for what it looks for.
SET statement_timeout = '10s'; SET random_page_cost = 1.1; SET plan_cache_mode = force_custom_plan;

-- name: top
-- Above every id.
SELECT coalesce(max(id), '') || '~' FROM {schema}.task_results;

-- name: floor
-- The last row of the next stretch.
SELECT id, created_at FROM {schema}.task_results WHERE id < %(place)s::text ORDER BY id DESC LIMIT 1 OFFSET %(rows)s::int;

-- name: floor_failed
SELECT id, created_at FROM {schema}.task_results
WHERE status = 'failed' AND id < %(place)s::text ORDER BY id DESC LIMIT 1 OFFSET %(rows)s::int;

-- name: stretch
SELECT id, {brief} FROM {schema}.task_results WHERE id < %(place)s::text AND id >= %(floor)s::text AND {wanted}
ORDER BY id DESC LIMIT %(limit)s::int;

-- name: stretch_failed
SELECT id, {brief} FROM {schema}.task_results
WHERE status = 'failed' AND id < %(place)s::text AND id >= %(floor)s::text AND {wanted}
ORDER BY id DESC LIMIT %(limit)s::int;

-- name: stretch_open
-- All that is open, by its index, wherever it is.
WITH opened AS MATERIALIZED (
    SELECT id AS open_id FROM {schema}.task_results WHERE status IN ('pending', 'running') AND id < %(place)s::text)
SELECT id, {brief} FROM {schema}.task_results JOIN opened ON id = open_id
WHERE status IN ('pending', 'running') AND {wanted} ORDER BY id DESC LIMIT %(limit)s::int;

-- name: count
SELECT count(*) FROM {schema}.task_results WHERE id < %(place)s::text AND id >= %(floor)s::text AND {wanted};

-- name: count_failed
SELECT count(*) FROM {schema}.task_results
WHERE status = 'failed' AND id < %(place)s::text AND id >= %(floor)s::text AND {wanted};

-- name: count_open
SELECT count(*) FROM {schema}.task_results
WHERE status IN ('pending', 'running') AND id < %(place)s::text AND {wanted};

-- name: wanted
(%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s::text[]))
AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
AND (%(name)s::text IS NULL OR name = %(name)s::text) AND (%(worker)s::text IS NULL OR worker = %(worker)s::text)
AND (%(since)s::bigint IS NULL OR created_at >= %(since)s::bigint)
AND (%(until)s::bigint IS NULL OR created_at < %(until)s::bigint)
AND (%(text)s::text IS NULL OR name ILIKE %(text)s::text OR key ILIKE %(text)s::text OR id ILIKE %(text)s::text
     OR error_message ILIKE %(text)s::text OR progress_message ILIKE %(text)s::text
     OR arguments ILIKE %(text)s::text OR arguments ILIKE %(json)s::text);

-- name: open
SELECT count(*) FROM (
    SELECT 1 FROM {schema}.task_results WHERE status IN ('pending', 'running') LIMIT %(most)s::int) o;

-- name: tallies
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM {schema}.task_results WHERE status = 'pending' AND lane IS NULL LIMIT %(most)s::int) p)
       + (SELECT count(*) FROM (
            SELECT 1 FROM {schema}.task_results WHERE status = 'pending' AND lane IS NOT NULL LIMIT %(most)s::int) l),
       (SELECT count(*) FROM (SELECT 1 FROM {schema}.task_results
                              WHERE status IN ('pending', 'running') LIMIT 2 * %(most)s::int) o),
       (SELECT count(*) FROM (SELECT 1 FROM {schema}.task_results WHERE status = 'failed' LIMIT %(most)s::int) f),
       (SELECT count(*) FROM (SELECT 1 FROM {schema}.task_results LIMIT %(most)s::int) k),
       (SELECT CASE WHEN reltuples < 0 THEN NULL ELSE reltuples::bigint END
        FROM pg_class WHERE oid = '{schema}.task_results'::regclass);

-- name: newest
SELECT name, status, reason, substr(error_message, 1, 1000), due_at, started_at, finished_at, deadline_at, timeout_ms
FROM {schema}.task_results ORDER BY id DESC LIMIT %(rows)s::int;

-- name: waiting
SELECT name, count(*), min(due_at) FROM (
    (SELECT name, due_at FROM {schema}.task_results
     WHERE status = 'pending' AND lane IS NULL AND due_at <= {schema}.began_ms() ORDER BY due_at, id LIMIT %(most)s::int)
    UNION ALL
    (SELECT name, due_at FROM {schema}.task_results
     WHERE status = 'pending' AND lane IS NOT NULL AND due_at <= {schema}.began_ms() LIMIT %(most)s::int)
    LIMIT %(most)s::int) w
GROUP BY name ORDER BY 3;

-- name: running
SELECT worker, count(*) FROM (
    SELECT worker, status FROM {schema}.task_results WHERE status IN ('pending', 'running') LIMIT %(most)s::int) o
WHERE status = 'running' GROUP BY worker;

-- name: retries
SELECT id FROM {schema}.task_results
WHERE name = %(name)s::text AND key = %(key)s::text AND coalesce(owner, '') = coalesce(%(owner)s::text, '');
