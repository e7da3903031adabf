-- Looks of the SQLite store: each reads a bounded number of rows, whatever the table holds. A place is a rowid.

-- name: top
SELECT coalesce(max(rowid), 0) + 1 FROM task_results;

-- name: floor
-- The last row of the next stretch.
SELECT rowid, created_at FROM task_results WHERE rowid < :place ORDER BY rowid DESC LIMIT 1 OFFSET :rows;

-- name: floor_failed
SELECT rowid, created_at FROM task_results INDEXED BY task_results_failed
WHERE status = 'failed' AND rowid < :place ORDER BY rowid DESC LIMIT 1 OFFSET :rows;

-- name: stretch
SELECT rowid, {brief} FROM task_results WHERE rowid < :place AND rowid >= :floor AND {wanted}
ORDER BY rowid DESC LIMIT :limit;

-- name: stretch_failed
SELECT rowid, {brief} FROM task_results INDEXED BY task_results_failed
WHERE status = 'failed' AND rowid < :place AND rowid >= :floor AND {wanted}
ORDER BY rowid DESC LIMIT :limit;

-- name: stretch_open
-- All that is open, by its index, wherever it is.
SELECT rowid, {brief} FROM task_results INDEXED BY task_results_open
WHERE status IN ('pending', 'running') AND rowid < :place AND {wanted} ORDER BY rowid DESC LIMIT :limit;

-- name: count
SELECT count(*) FROM task_results WHERE rowid < :place AND rowid >= :floor AND {wanted};

-- name: count_failed
SELECT count(*) FROM task_results INDEXED BY task_results_failed
WHERE status = 'failed' AND rowid < :place AND rowid >= :floor AND {wanted};

-- name: count_open
SELECT count(*) FROM task_results INDEXED BY task_results_open
WHERE status IN ('pending', 'running') AND rowid < :place AND {wanted};

-- name: wanted
(:statuses IS NULL OR instr(:statuses, status) > 0) AND (:reason IS NULL OR reason = :reason)
AND (:name IS NULL OR name = :name) AND (:worker IS NULL OR worker = :worker)
AND (:since IS NULL OR created_at >= :since) AND (:until IS NULL OR created_at < :until)
AND (:text IS NULL OR name LIKE :text ESCAPE '\' OR key LIKE :text ESCAPE '\' OR id LIKE :text ESCAPE '\'
     OR error_message LIKE :text ESCAPE '\' OR progress_message LIKE :text ESCAPE '\'
     OR arguments LIKE :text ESCAPE '\' OR arguments LIKE :json ESCAPE '\');

-- name: open
SELECT count(*) FROM (
    SELECT 1 FROM task_results INDEXED BY task_results_open WHERE status IN ('pending', 'running') LIMIT :most);

-- name: tallies
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM task_results INDEXED BY task_results_free_due WHERE status = 'pending' AND lane IS NULL LIMIT :most))
       + (SELECT count(*) FROM (
            SELECT 1 FROM task_results INDEXED BY task_results_lane_due
            WHERE status = 'pending' AND lane IS NOT NULL LIMIT :most)),
       (SELECT count(*) FROM (SELECT 1 FROM task_results INDEXED BY task_results_open
                              WHERE status IN ('pending', 'running') LIMIT 2 * :most)),
       (SELECT count(*) FROM (SELECT 1 FROM task_results INDEXED BY task_results_failed WHERE status = 'failed' LIMIT :most)),
       (SELECT count(*) FROM (SELECT 1 FROM task_results LIMIT :most)),
       (SELECT max(rowid) FROM task_results) - (SELECT min(rowid) FROM task_results) + 1;

-- name: newest
SELECT name, status, reason, substr(error_message, 1, 1000), due_at, started_at, finished_at, deadline_at, timeout_ms
FROM task_results ORDER BY rowid DESC LIMIT ?;

-- name: waiting
SELECT name, count(*), min(due_at) FROM (
    SELECT * FROM (
        SELECT name, due_at FROM task_results INDEXED BY task_results_free_due
        WHERE status = 'pending' AND lane IS NULL AND due_at <= :now ORDER BY due_at LIMIT :most)
    UNION ALL
    SELECT * FROM (
        SELECT name, due_at FROM task_results INDEXED BY task_results_lane_due
        WHERE status = 'pending' AND lane IS NOT NULL AND due_at <= :now LIMIT :most)
    LIMIT :most)
GROUP BY name ORDER BY 3;

-- name: running
SELECT worker, count(*) FROM (
    SELECT worker, status FROM task_results INDEXED BY task_results_open
    WHERE status IN ('pending', 'running') LIMIT ?) WHERE status = 'running' GROUP BY worker;

-- name: retries
SELECT id FROM task_results WHERE name = ? AND key = ? AND coalesce(owner, '') = coalesce(?, '');
