-- One row for each domain that was ever asked for: its newest good figures, and the last error since.
DROP VIEW IF EXISTS traffic_latest;
CREATE VIEW traffic_latest AS
SELECT
    key AS domain,
    (value ->> 'visits')::bigint AS visits,
    (value ->> 'growth')::float8 AS growth,
    (value ->> 'duration')::float8 AS duration,
    (value ->> 'pages')::float8 AS pages,
    (value ->> 'bounce')::float8 AS bounce,
    value -> 'sources' AS sources,
    value -> 'history' AS history,
    value ->> 'category' AS category,
    value ->> 'basis' AS basis,
    to_timestamp(got_at / 1000.0) AS updated_at,
    last_error,
    last_reason,
    to_timestamp(last_error_at / 1000.0) AS last_error_at,
    failures,
    to_timestamp(nullif(retry_at, 0) / 1000.0) AS retry_at,
    refreshing,
    task AS task_id
FROM task_latest
WHERE name = 'traffic';
