-- One row for each domain that was ever asked for: its newest good figures, and the last error since.
BEGIN IMMEDIATE;
DROP VIEW IF EXISTS traffic_latest;
CREATE VIEW traffic_latest AS
SELECT
    key AS domain,
    json_extract(value, '$.visits') AS visits,
    json_extract(value, '$.growth') AS growth,
    json_extract(value, '$.duration') AS duration,
    json_extract(value, '$.pages') AS pages,
    json_extract(value, '$.bounce') AS bounce,
    json_extract(value, '$.sources') AS sources,
    json_extract(value, '$.history') AS history,
    json_extract(value, '$.category') AS category,
    json_extract(value, '$.basis') AS basis,
    strftime('%Y-%m-%dT%H:%M:%fZ', got_at / 1000.0, 'unixepoch') AS updated_at,
    last_error,
    last_reason,
    strftime('%Y-%m-%dT%H:%M:%fZ', last_error_at / 1000.0, 'unixepoch') AS last_error_at,
    failures,
    strftime('%Y-%m-%dT%H:%M:%fZ', nullif(retry_at, 0) / 1000.0, 'unixepoch') AS retry_at,
    refreshing,
    task AS task_id
FROM task_latest
WHERE name = 'traffic';
COMMIT;
