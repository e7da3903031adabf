-- The ledger's tables. Instants are whole milliseconds since the Unix epoch on the ledger's own clock.
-- The first four columns are those of the published pattern "Persist All Terminal States"; the
-- defaults let code that was written for it insert (id, status) and update by hand, and still settle.
CREATE TABLE task_results (
    id               TEXT    NOT NULL PRIMARY KEY,
    status           TEXT    NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'completed', 'failed')),
    result_data      TEXT,
    error_message    TEXT,
    name             TEXT    NOT NULL DEFAULT '(by hand)',
    reason           TEXT    CHECK (reason IN ('exception', 'timeout', 'cancelled', 'worker_lost', 'never_started',
                                               'result_rejected', 'enqueue_failed', 'interrupted')),
    error_type       TEXT,
    traceback        TEXT,
    arguments        TEXT    NOT NULL DEFAULT '{"args":[],"kwargs":{}}',
    key              TEXT,
    owner            TEXT,
    progress         REAL    CHECK (progress BETWEEN 0 AND 1),
    progress_message TEXT,
    attempt          INTEGER NOT NULL DEFAULT 0 CHECK (attempt BETWEEN 0 AND max_attempts),
    max_attempts     INTEGER NOT NULL DEFAULT 1 CHECK (max_attempts >= 1),
    timeout_ms       INTEGER NOT NULL DEFAULT 600000 CHECK (timeout_ms > 0),
    lease_ms         INTEGER NOT NULL DEFAULT 30000 CHECK (lease_ms > 0),
    backoff_ms       INTEGER NOT NULL DEFAULT 1000 CHECK (backoff_ms >= 0),
    created_at       INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)),
    started_at       INTEGER,
    finished_at      INTEGER,
    due_at           INTEGER NOT NULL DEFAULT 0,
    deadline_at      INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 1200000),
    settles_at       INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 1200000),
    worker           TEXT,
    retry_of         TEXT,
    previous_error   TEXT,
    CHECK (status <> 'running' OR (attempt >= 1 AND worker IS NOT NULL AND started_at IS NOT NULL)),
    CHECK (status <> 'failed' OR error_message IS NOT NULL),
    CHECK (status = 'failed' OR (reason IS NULL AND error_message IS NULL)),
    CHECK (status = 'completed' OR result_data IS NULL),
    CHECK (deadline_at <= settles_at)
);

-- What a sweep looks through: only open rows, whatever the number of settled ones.
CREATE INDEX task_results_open ON task_results (deadline_at) WHERE status IN ('pending', 'running');
-- What a claim looks through.
CREATE INDEX task_results_due ON task_results (due_at) WHERE status = 'pending';
-- An idempotency key names one task of one name and owner.
CREATE UNIQUE INDEX task_results_key ON task_results (name, key, coalesce(owner, '')) WHERE key IS NOT NULL;

-- A settled row never changes again; it can only be deleted, by retention.
CREATE TRIGGER task_results_settled BEFORE UPDATE ON task_results WHEN OLD.status IN ('completed', 'failed')
BEGIN
    SELECT RAISE(ABORT, 'settled: a settled task never changes again');
END;

-- Nobody moves the bound, takes an attempt back, or ends a task by deleting it.
CREATE TRIGGER task_results_bound BEFORE UPDATE OF id, settles_at, created_at, attempt ON task_results
WHEN NEW.id <> OLD.id OR NEW.settles_at <> OLD.settles_at OR NEW.created_at <> OLD.created_at OR NEW.attempt < OLD.attempt
BEGIN
    SELECT RAISE(ABORT, 'settled: id, created_at and settles_at are fixed, and attempt only grows');
END;

CREATE TRIGGER task_results_born BEFORE INSERT ON task_results WHEN NEW.status IN ('completed', 'failed')
BEGIN
    SELECT RAISE(ABORT, 'settled: a task is born open');
END;

CREATE TRIGGER task_results_kept BEFORE DELETE ON task_results WHEN OLD.status IN ('pending', 'running')
BEGIN
    SELECT RAISE(ABORT, 'settled: an open task cannot be deleted; cancel it first');
END;

-- One row for each process that runs tasks, while it lives.
CREATE TABLE task_workers (
    id         TEXT    NOT NULL PRIMARY KEY,
    host       TEXT    NOT NULL,
    pid        INTEGER NOT NULL,
    names      TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    heard_at   INTEGER NOT NULL,
    lease_ms   INTEGER NOT NULL,
    lost_at    INTEGER
);

-- One row for the ledger itself: the anchor of its clock, since when heartbeats have come without
-- a gap (before that, leases do not count against anybody), how many late writes were refused, and
-- for how long the application keeps what has settled.
CREATE TABLE task_ledger (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    version       INTEGER NOT NULL,
    boot          TEXT    NOT NULL DEFAULT '',
    anchor_wall   INTEGER NOT NULL DEFAULT 0,
    anchor_steady INTEGER NOT NULL DEFAULT 0,
    pulse_at      INTEGER NOT NULL DEFAULT 0,
    steady_since  INTEGER NOT NULL DEFAULT 0,
    refused       INTEGER NOT NULL DEFAULT 0,
    retention_ms  INTEGER NOT NULL DEFAULT 604800000
);
INSERT INTO task_ledger (one, version) VALUES (1, 1);
