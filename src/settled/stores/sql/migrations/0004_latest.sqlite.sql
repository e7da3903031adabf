-- The latest value of a key: one row for each key of a function, with its newest good value and its last error.
-- got_at says whether there is a value, which may be empty. The newest refresh is the task of that id; while it
-- is open, refreshing is 1. What a refresh comes to is written by a trigger on the task's row, in the same commit.
CREATE TABLE task_latest (
    name            TEXT    NOT NULL,
    key             TEXT    NOT NULL,
    value           TEXT    CHECK (value IS NULL OR json_valid(value)),
    got_at          INTEGER,
    last_error      TEXT,
    last_reason     TEXT,
    last_error_type TEXT,
    last_error_at   INTEGER,
    failures        INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    retry_at        INTEGER NOT NULL DEFAULT 0,
    task            TEXT,
    refreshing      INTEGER NOT NULL DEFAULT 0 CHECK (refreshing IN (0, 1)),
    -- The policy of the function, as of the last refresh: what a plain reader, and the trigger, need of it.
    fresh_ms        INTEGER NOT NULL DEFAULT 0 CHECK (fresh_ms >= 0),
    retry_ms        INTEGER NOT NULL DEFAULT 60000 CHECK (retry_ms BETWEEN 1 AND 31622400000),
    retry_cap_ms    INTEGER NOT NULL DEFAULT 86400000 CHECK (retry_cap_ms BETWEEN 1 AND 31622400000),
    keep_ms         INTEGER CHECK (keep_ms > 0),
    history         INTEGER NOT NULL DEFAULT 0 CHECK (history >= 0),
    PRIMARY KEY (name, key),
    CHECK (refreshing = 0 OR task IS NOT NULL),
    CHECK (got_at IS NOT NULL OR value IS NULL)
);

-- What the values were before, as many as the function asks for.
CREATE TABLE task_latest_history (
    id     INTEGER PRIMARY KEY,
    name   TEXT    NOT NULL,
    key    TEXT    NOT NULL,
    value  TEXT,
    got_at INTEGER NOT NULL
);
CREATE INDEX task_latest_history_key ON task_latest_history (name, key, id);

-- Of which key of its function a task is the refresh; and for how long the upstream asked to be left alone.
ALTER TABLE task_results ADD COLUMN latest TEXT;
ALTER TABLE task_results ADD COLUMN retry_after_ms INTEGER CHECK (retry_after_ms BETWEEN 0 AND 31622400000);

-- Whoever settles a refresh. One that is not the newest of its key, or whose key was purged, changes nothing. A
-- verdict counts from the task's bound at the latest, however late it was written down: a reader who cannot write
-- says the same.
CREATE TRIGGER task_results_latest AFTER UPDATE OF status ON task_results
WHEN NEW.latest IS NOT NULL AND NEW.status IN ('completed', 'failed')
BEGIN
    UPDATE task_latest SET
        value = CASE WHEN json_valid(NEW.result_data) THEN NEW.result_data ELSE json_quote(NEW.result_data) END, refreshing = 0, failures = 0, retry_at = 0,
        got_at = min(coalesce(NEW.finished_at, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)), NEW.settles_at),
        last_error = NULL, last_reason = NULL, last_error_type = NULL, last_error_at = NULL
    WHERE NEW.status = 'completed' AND name = NEW.name AND key = NEW.latest AND task = NEW.id;
    UPDATE task_latest SET
        refreshing = 0, failures = failures + 1,
        last_error = NEW.error_message, last_reason = coalesce(NEW.reason, 'exception'), last_error_type = NEW.error_type,
        last_error_at = min(coalesce(NEW.finished_at, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)), NEW.settles_at),
        retry_at = min(coalesce(NEW.finished_at, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)), NEW.settles_at)
                   + max(min(retry_ms << min(failures, 26), retry_cap_ms), coalesce(NEW.retry_after_ms, 0))
    WHERE NEW.status = 'failed' AND name = NEW.name AND key = NEW.latest AND task = NEW.id;
END;

-- A new value, whoever writes it.
CREATE TRIGGER task_latest_former AFTER UPDATE OF value ON task_latest WHEN NEW.history > 0 AND OLD.got_at IS NOT NULL
BEGIN
    INSERT INTO task_latest_history (name, key, value, got_at) VALUES (OLD.name, OLD.key, OLD.value, OLD.got_at);
    DELETE FROM task_latest_history WHERE name = NEW.name AND key = NEW.key AND id <= (
        SELECT id FROM task_latest_history WHERE name = NEW.name AND key = NEW.key ORDER BY id DESC LIMIT 1 OFFSET NEW.history);
END;

-- A good value is never lost to a failure: it can be replaced, or its whole row purged.
CREATE TRIGGER task_latest_lost BEFORE UPDATE OF got_at ON task_latest WHEN OLD.got_at IS NOT NULL AND NEW.got_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'settled: a value is replaced, or purged with its row; it is never emptied');
END;

CREATE TRIGGER task_latest_purged AFTER DELETE ON task_latest
BEGIN
    DELETE FROM task_latest_history WHERE name = OLD.name AND key = OLD.key;
END;
