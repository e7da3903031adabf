-- A batch is the set of tasks that carry its id; they were submitted in the order of their ids.
-- What a limit bounds is a lane. Its tasks say themselves how many of them may run at once, and how many microseconds
-- lie between two starts.
ALTER TABLE {schema}.task_results
    ADD COLUMN batch       text COLLATE "C",
    ADD COLUMN lane        text COLLATE "C",
    ADD COLUMN lane_places integer CHECK (lane_places >= 1),
    ADD COLUMN lane_gap_us bigint CHECK (lane_gap_us >= 1);

-- From when on a lane with a rate may start another task, in microseconds of the ledger's clock; none: from now on.
-- How many run at once is counted in the rows, so that nothing can drift.
CREATE TABLE {schema}.task_lanes (
    lane    text COLLATE "C" NOT NULL PRIMARY KEY,
    next_us bigint NOT NULL
) WITH (fillfactor = 50);

-- What a claim and the publisher look through is without the lanes: a full one must not stand in their way.
CREATE INDEX task_results_free_due ON {schema}.task_results (due_at, id) WHERE status = 'pending' AND lane IS NULL;
CREATE INDEX task_results_free_publish ON {schema}.task_results (coalesce(publish_at, due_at + 5000))
    WHERE status = 'pending' AND lane IS NULL;
DROP INDEX {schema}.task_results_due;
DROP INDEX {schema}.task_results_publish;

-- The next tasks of a lane, those that run in it, and those that an engine was told of.
CREATE INDEX task_results_lane_due ON {schema}.task_results (lane, due_at, id)
    WHERE status = 'pending' AND lane IS NOT NULL;
CREATE INDEX task_results_lane_busy ON {schema}.task_results (lane) WHERE status = 'running' AND lane IS NOT NULL;
CREATE INDEX task_results_lane_told ON {schema}.task_results (lane, publish_at)
    WHERE status = 'pending' AND lane IS NOT NULL AND publish_at IS NOT NULL;

-- A batch page by page, and how many of its tasks are in which status, and ended since when.
CREATE INDEX task_results_batch ON {schema}.task_results (batch, id) WHERE batch IS NOT NULL;
CREATE INDEX task_results_batch_status ON {schema}.task_results (batch, status, finished_at, settles_at)
    WHERE batch IS NOT NULL;

-- For each lane in which a task of these names waits and is not overdue, the next such task: one probe for each lane.
CREATE FUNCTION {schema}.lane_heads(known text[]) RETURNS TABLE (lane text, due_at bigint, places integer, gap_us bigint)
    LANGUAGE sql STABLE AS $$
    WITH RECURSIVE walk (lane) AS (
        (SELECT t.lane FROM {schema}.task_results t WHERE t.status = 'pending' AND t.lane IS NOT NULL
         ORDER BY t.lane LIMIT 1)
        UNION ALL
        SELECT (SELECT t.lane FROM {schema}.task_results t
                WHERE t.status = 'pending' AND t.lane IS NOT NULL AND t.lane > w.lane ORDER BY t.lane LIMIT 1)
        FROM walk w WHERE w.lane IS NOT NULL)
    SELECT h.* FROM walk w, LATERAL (
        SELECT t.lane, t.due_at, t.lane_places, t.lane_gap_us FROM {schema}.task_results t
        WHERE t.status = 'pending' AND t.lane IS NOT NULL AND t.lane = w.lane AND t.name = ANY (known)
          AND t.deadline_at > {schema}.began_ms()
        ORDER BY t.due_at, t.id LIMIT 1) h $$;

-- How many tasks of a lane may start at this transaction's instant, up to a number; none while another transaction is
-- looking. Each statement of a volatile function sees what was committed until it began, so behind the lock all counts.
-- Starts with a rate lie a gap apart; gaps shorter than a tenth of a second are counted together in one.
CREATE FUNCTION {schema}.lane_room(wanted text, places integer, gap_us bigint, most integer) RETURNS integer
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    room     bigint := most;
    now_us   bigint := {schema}.began_ms() * 1000;
    next_at  bigint;
    last_at  bigint := now_us + greatest(0, 100000 - gap_us);
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('{schema} ' || wanted, 1)) THEN
        RETURN 0;
    END IF;
    IF places IS NOT NULL THEN
        SELECT least(room, places - count(*)) INTO room
        FROM {schema}.task_results t WHERE t.status = 'running' AND t.lane IS NOT NULL AND t.lane = wanted;
    END IF;
    IF gap_us IS NOT NULL THEN
        SELECT l.next_us INTO next_at FROM {schema}.task_lanes l WHERE l.lane = wanted;
        next_at := greatest(coalesce(next_at, 0), now_us);
        room := CASE WHEN next_at > last_at THEN 0 ELSE least(room, (last_at - next_at) / gap_us + 1) END;
    END IF;
    RETURN greatest(room, 0);
END $$;

-- Notes that so many tasks of a lane have started at this transaction's instant.
CREATE FUNCTION {schema}.lane_took(taken text, gap_us bigint, number integer) RETURNS boolean
    LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF gap_us IS NOT NULL AND number > 0 THEN
        INSERT INTO {schema}.task_lanes AS l (lane, next_us)
        VALUES (taken, {schema}.began_ms() * 1000 + number * gap_us)
        ON CONFLICT (lane) DO UPDATE
            SET next_us = greatest(l.next_us, {schema}.began_ms() * 1000) + number * lane_took.gap_us;
    END IF;
    RETURN true;
END $$;

-- Moves due tasks of these names to running, lane by lane, the longest waiting first, as far as their lanes have room.
CREATE FUNCTION {schema}.claim_lanes(asking text, known text[], most integer, margin bigint)
    RETURNS SETOF {schema}.task_results LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    head  record;
    room  integer;
    taken integer;
    rest  integer := most;
BEGIN
    FOR head IN SELECT h.* FROM {schema}.lane_heads(known) h WHERE h.due_at <= {schema}.began_ms() ORDER BY h.due_at LOOP
        EXIT WHEN rest <= 0;
        room := {schema}.lane_room(head.lane, head.places, head.gap_us, rest);
        CONTINUE WHEN room = 0;
        RETURN QUERY UPDATE {schema}.task_results t
            SET status = 'running', attempt = t.attempt + 1, started_at = {schema}.began_ms(), worker = asking,
                error_type = NULL, traceback = NULL,
                deadline_at = least({schema}.began_ms() + t.timeout_ms + margin, t.settles_at)
            WHERE t.id IN (
                SELECT p.id FROM {schema}.task_results p
                WHERE p.status = 'pending' AND p.lane IS NOT NULL AND p.lane = head.lane
                  AND p.due_at <= {schema}.began_ms() AND p.deadline_at > {schema}.now_ms() AND p.name = ANY (known)
                  AND EXISTS (SELECT 1 FROM {schema}.task_workers w WHERE w.id = asking AND w.lost_at IS NULL)
                ORDER BY p.due_at, p.id LIMIT room FOR UPDATE SKIP LOCKED)
            RETURNING t.*;
        GET DIAGNOSTICS taken = ROW_COUNT;
        rest := rest - taken;
        PERFORM {schema}.lane_took(head.lane, head.gap_us, taken);
    END LOOP;
END $$;

-- Takes the tasks of lanes that an engine is to be told of, no more than may start, for those that it was told of are
-- as good as started; the next time for each is as far away as the task is old.
CREATE FUNCTION {schema}.publish_lanes(known text[], most integer, after bigint, within bigint)
    RETURNS SETOF {schema}.task_results LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    head  record;
    room  integer;
    taken integer;
    rest  integer := most;
BEGIN
    FOR head IN SELECT h.* FROM {schema}.lane_heads(known) h WHERE h.due_at <= {schema}.began_ms() ORDER BY h.due_at LOOP
        EXIT WHEN rest <= 0;
        SELECT {schema}.lane_room(head.lane, head.places, head.gap_us, most) - count(*) INTO room
        FROM {schema}.task_results t
        WHERE t.status = 'pending' AND t.lane IS NOT NULL AND t.publish_at IS NOT NULL AND t.lane = head.lane
          AND t.publish_at > {schema}.began_ms() AND t.due_at <= {schema}.began_ms();
        CONTINUE WHEN room <= 0;
        RETURN QUERY UPDATE {schema}.task_results t
            SET publish_at = {schema}.began_ms() + least(greatest({schema}.began_ms() - t.due_at, after), within)
            WHERE t.id IN (
                SELECT p.id FROM {schema}.task_results p
                WHERE p.status = 'pending' AND p.lane IS NOT NULL AND p.lane = head.lane
                  AND p.due_at <= {schema}.began_ms() AND p.deadline_at > {schema}.now_ms() AND p.name = ANY (known)
                  AND coalesce(p.publish_at, 0) <= {schema}.began_ms()
                ORDER BY p.due_at, p.id LIMIT least(room, rest) FOR UPDATE SKIP LOCKED)
            RETURNING t.*;
        GET DIAGNOSTICS taken = ROW_COUNT;
        rest := rest - taken;
    END LOOP;
END $$;

-- Moves one task that is asked for to running, if its lane has room; else an engine is to be told of it again soon.
CREATE FUNCTION {schema}.claim_one_of_lane(asking text, known text[], wanted text, margin bigint, soon bigint)
    RETURNS SETOF {schema}.task_results LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    one   record;
    taken integer := 0;
BEGIN
    SELECT t.lane, t.lane_places, t.lane_gap_us INTO one FROM {schema}.task_results t
    WHERE t.id = wanted AND t.status = 'pending' AND t.lane IS NOT NULL AND t.due_at <= {schema}.began_ms()
      AND t.name = ANY (known);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF {schema}.lane_room(one.lane, one.lane_places, one.lane_gap_us, 1) = 1 THEN
        RETURN QUERY UPDATE {schema}.task_results t
            SET status = 'running', attempt = t.attempt + 1, started_at = {schema}.began_ms(), worker = asking,
                error_type = NULL, traceback = NULL,
                deadline_at = least({schema}.began_ms() + t.timeout_ms + margin, t.settles_at)
            WHERE t.id = wanted AND t.status = 'pending' AND t.due_at <= {schema}.began_ms()
              AND t.deadline_at > {schema}.now_ms()
              AND EXISTS (SELECT 1 FROM {schema}.task_workers w WHERE w.id = asking AND w.lost_at IS NULL)
            RETURNING t.*;
        GET DIAGNOSTICS taken = ROW_COUNT;
        PERFORM {schema}.lane_took(one.lane, one.lane_gap_us, taken);
    ELSE
        UPDATE {schema}.task_results t
        SET publish_at = least(coalesce(t.publish_at, {schema}.began_ms() + soon), {schema}.began_ms() + soon)
        WHERE t.id = wanted AND t.status = 'pending';
    END IF;
END $$;
