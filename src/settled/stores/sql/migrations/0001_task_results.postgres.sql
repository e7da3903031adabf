-- The ledger's clock: the database's own, in whole milliseconds since the Unix epoch. What decides is
-- compared with this instant as it is when the comparison is made, for a statement may wait for a lock.
CREATE FUNCTION {schema}.now_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
    AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

-- The instant at which the present transaction began: what is written in one transaction carries one instant.
CREATE FUNCTION {schema}.began_ms() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT floor(extract(epoch FROM transaction_timestamp()) * 1000)::bigint $$;

-- The first four columns are those of the published pattern "Persist All Terminal States"; the defaults
-- let code that was written for it insert (id, status) and update by hand, and still settle.
CREATE TABLE {schema}.task_results (
    id               text COLLATE "C" NOT NULL PRIMARY KEY,
    status           text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'completed', 'failed')),
    result_data      json,
    error_message    text,
    name             text NOT NULL DEFAULT '(by hand)',
    reason           text CHECK (reason IN ('exception', 'timeout', 'cancelled', 'worker_lost', 'never_started',
                                            'result_rejected', 'enqueue_failed', 'interrupted')),
    error_type       text,
    traceback        text,
    arguments        text NOT NULL DEFAULT '{"args":[],"kwargs":{}}',
    key              text,
    owner            text,
    progress         double precision CHECK (progress BETWEEN 0 AND 1),
    progress_message text,
    attempt          integer NOT NULL DEFAULT 0,
    max_attempts     integer NOT NULL DEFAULT 1 CHECK (max_attempts >= 1),
    timeout_ms       bigint NOT NULL DEFAULT 600000 CHECK (timeout_ms > 0),
    lease_ms         bigint NOT NULL DEFAULT 30000 CHECK (lease_ms > 0),
    backoff_ms       bigint NOT NULL DEFAULT 1000 CHECK (backoff_ms >= 0),
    created_at       bigint NOT NULL DEFAULT {schema}.began_ms(),
    started_at       bigint,
    finished_at      bigint,
    due_at           bigint NOT NULL DEFAULT 0,
    deadline_at      bigint NOT NULL DEFAULT {schema}.began_ms() + 1200000,
    settles_at       bigint NOT NULL DEFAULT {schema}.began_ms() + 1200000,
    worker           text,
    retry_of         text,
    previous_error   text,
    CHECK (attempt BETWEEN 0 AND max_attempts),
    CHECK (status <> 'running' OR (attempt >= 1 AND worker IS NOT NULL AND started_at IS NOT NULL)),
    CHECK (status <> 'failed' OR error_message IS NOT NULL),
    CHECK (status = 'failed' OR (reason IS NULL AND error_message IS NULL)),
    CHECK (status = 'completed' OR result_data IS NULL),
    CHECK (deadline_at <= settles_at)
) WITH (
    -- Each task leaves one dead row or two behind: a hundredth of a big table is many, and vacuuming is cheap.
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);

-- What a sweep looks through: only open rows, whatever the number of settled ones.
CREATE INDEX task_results_open ON {schema}.task_results (deadline_at) WHERE status IN ('pending', 'running');
-- What a claim looks through.
CREATE INDEX task_results_due ON {schema}.task_results (due_at, id) WHERE status = 'pending';
-- An idempotency key names one task of one name and owner.
CREATE UNIQUE INDEX task_results_key ON {schema}.task_results (name, key, coalesce(owner, '')) WHERE key IS NOT NULL;

CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$;

-- A settled row never changes again; it can only be deleted, by retention.
CREATE TRIGGER task_results_settled BEFORE UPDATE ON {schema}.task_results FOR EACH ROW
    WHEN (OLD.status IN ('completed', 'failed'))
    EXECUTE FUNCTION {schema}.refuse('settled: a settled task never changes again');

-- Nobody moves the bound, takes an attempt back, or ends a task by deleting it.
CREATE TRIGGER task_results_bound BEFORE UPDATE ON {schema}.task_results FOR EACH ROW
    WHEN (NEW.id <> OLD.id OR NEW.settles_at <> OLD.settles_at OR NEW.created_at <> OLD.created_at
          OR NEW.attempt < OLD.attempt)
    EXECUTE FUNCTION {schema}.refuse('settled: id, created_at and settles_at are fixed, and attempt only grows');

CREATE TRIGGER task_results_born BEFORE INSERT ON {schema}.task_results FOR EACH ROW
    WHEN (NEW.status IN ('completed', 'failed'))
    EXECUTE FUNCTION {schema}.refuse('settled: a task is born open');

CREATE TRIGGER task_results_kept BEFORE DELETE ON {schema}.task_results FOR EACH ROW
    WHEN (OLD.status IN ('pending', 'running'))
    EXECUTE FUNCTION {schema}.refuse('settled: an open task cannot be deleted; cancel it first');

CREATE TRIGGER task_results_emptied BEFORE TRUNCATE ON {schema}.task_results FOR EACH STATEMENT
    EXECUTE FUNCTION {schema}.refuse('settled: an open task cannot be deleted; delete the settled ones instead');

-- One row for each process that runs tasks, while it lives.
CREATE TABLE {schema}.task_workers (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    host       text NOT NULL,
    pid        integer NOT NULL,
    names      text NOT NULL,
    started_at bigint NOT NULL,
    heard_at   bigint NOT NULL,
    lease_ms   bigint NOT NULL,
    lost_at    bigint
) WITH (fillfactor = 50);

-- One row for each worker's advisory lock, and under which start of the server it was taken: a lock of
-- an earlier start proves nothing by its absence.
CREATE TABLE {schema}.task_locks (
    worker text COLLATE "C" NOT NULL PRIMARY KEY,
    key    bigint NOT NULL,
    server text NOT NULL
) WITH (fillfactor = 50);

-- One row for the ledger itself: a name for it, whatever the way to it; since when heartbeats have come without
-- a gap (before that, leases do not count against anybody), how many late writes were refused, and for how long
-- what has settled is kept.
CREATE TABLE {schema}.task_ledger (
    one          integer PRIMARY KEY CHECK (one = 1),
    id           text NOT NULL DEFAULT gen_random_uuid(),
    version      integer NOT NULL,
    pulse_at     bigint NOT NULL DEFAULT 0,
    steady_since bigint NOT NULL DEFAULT 0,
    refused      bigint NOT NULL DEFAULT 0,
    retention_ms bigint NOT NULL DEFAULT 604800000
) WITH (fillfactor = 50);
INSERT INTO {schema}.task_ledger (one, version) VALUES (1, 1);

-- Ends a transaction in which a success was written in time, and that came past the bound before it could commit.
CREATE FUNCTION {schema}.in_time(began bigint, bounds text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM json_array_elements_text(bounds::json) b
               WHERE b::bigint > began AND b::bigint <= {schema}.now_ms()) THEN
        RAISE EXCEPTION 'settled: the bound of a task has passed' USING ERRCODE = 'lock_not_available';
    END IF;
    RETURN true;
END $$;
