-- Transaction ids say which calls an order on numbers covers, and they mean something inside one cluster only. Here a database
-- remembers its cluster, and translates the ids that came with a dump. Only store/cluster.py runs these.

-- name: this_cluster
SELECT system_identifier FROM pg_control_system();

-- name: is_remembered
SELECT to_regclass('schema_cluster') IS NOT NULL;

-- name: remember_in
CREATE TABLE IF NOT EXISTS schema_cluster (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    system_identifier bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- name: remembered
SELECT system_identifier FROM schema_cluster;

-- name: remember
INSERT INTO schema_cluster (system_identifier) VALUES ($1)
ON CONFLICT (is_only) DO UPDATE SET system_identifier = EXCLUDED.system_identifier, recorded_at = clock_timestamp();

-- name: one_at_a_time
SELECT pg_advisory_xact_lock($1), set_config('statement_timeout', '0', true), set_config('lock_timeout', $2, true);

-- name: has_foreign_ids
-- What this statement sees was committed, so its id is visible in the same snapshot: unless the id is of another cluster.
SELECT EXISTS (
    SELECT FROM call c
    WHERE c.status IN ('registered', 'retry', 'ongoing')
      AND NOT pg_visible_in_snapshot(c.registered_xid, pg_current_snapshot())
) OR EXISTS (
    SELECT FROM list_upload u
    WHERE u.state = 'verifying' AND NOT pg_visible_in_snapshot(u.uploaded_xid, pg_current_snapshot())
) OR EXISTS (
    SELECT FROM number_fence f WHERE pg_snapshot_xmax(f.registered_in) > pg_snapshot_xmax(pg_current_snapshot())
);

-- name: last_words
-- What a restored database knows last, and what would go on once somebody dials. No index of calls is asked how many wait.
SELECT
    (SELECT max(e.created_at) FROM outbox_event e) AS newest_event_at,
    (SELECT max(t.created_at) FROM termination t) AS newest_order_at,
    (SELECT count(*) FROM termination t WHERE t.state = 'settling') AS settling_count,
    (SELECT count(*) FROM campaign k WHERE k.kind = 'list' AND k.status IN ('ongoing', 'scheduled')) AS started_count,
    (
        SELECT count(*) FROM dial_attempt a WHERE a.state IN ('prepared', 'originated', 'ringing', 'answered')
    ) AS live_attempt_count;

-- name: keep_writers_out
LOCK TABLE call, list_upload, number_fence IN SHARE ROW EXCLUSIVE MODE;

-- name: ids_missing
-- The translation counts from 3, the first ordinary id, and needs two ids more than there are different snapshots.
SELECT count(DISTINCT f.registered_in::text) + 5 - pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM number_fence f;

-- name: use_up_an_id
SELECT pg_current_xact_id();

-- name: translate
-- The snapshots of one cluster contain each other, so they stand in a row, and all that matters of an id is the first of them
-- that sees it. Snapshot n becomes "everything below 3 + n"; an id becomes the largest that is seen by the same ones. All of
-- these are smaller than any id that this cluster will give from now on. Every part reads the rows as they were.
WITH place AS MATERIALIZED (
    SELECT s.workspace_id, s.registered_in, dense_rank() OVER (ORDER BY s.last, s.first, s.unseen DESC) AS no
    FROM (
        SELECT DISTINCT f.workspace_id, f.registered_in::text AS registered_in, pg_snapshot_xmax(f.registered_in) AS last,
            pg_snapshot_xmin(f.registered_in) AS first,
            (SELECT count(*) FROM pg_snapshot_xip(f.registered_in)) AS unseen
        FROM number_fence f
    ) s
), behind AS MATERIALIZED (
    SELECT coalesce(max(p.no), 0) + 1 AS no FROM place p
), calls AS (
    UPDATE call c
    SET registered_xid = (2 + coalesce(
        (
            SELECT min(p.no) FROM place p
            WHERE p.workspace_id = c.workspace_id AND pg_visible_in_snapshot(c.registered_xid, p.registered_in::pg_snapshot)
        ),
        (SELECT b.no FROM behind b)
    ))::text::xid8
    WHERE c.status IN ('registered', 'retry', 'ongoing')
    RETURNING 1
), lists AS (
    UPDATE list_upload u
    SET uploaded_xid = (2 + coalesce(
        (
            SELECT min(p.no) FROM place p
            WHERE p.workspace_id = u.workspace_id AND pg_visible_in_snapshot(u.uploaded_xid, p.registered_in::pg_snapshot)
        ),
        (SELECT b.no FROM behind b)
    ))::text::xid8
    WHERE u.state = 'verifying'
    RETURNING 1
), fences AS (
    UPDATE number_fence f
    SET registered_in = format('%s:%s:', 3 + p.no, 3 + p.no)::pg_snapshot
    FROM place p
    WHERE p.workspace_id = f.workspace_id AND p.registered_in = f.registered_in::text
    RETURNING 1
)
SELECT
    (SELECT count(*) FROM calls) AS call_count,
    (SELECT count(*) FROM lists) AS list_count,
    (SELECT count(*) FROM fences) AS fence_count,
    (SELECT b.no + 2 FROM behind b) AS last_id;

-- name: has_erasures
SELECT to_regclass('erasure') IS NOT NULL;

-- name: keep_erasures_out
LOCK TABLE erasure IN SHARE ROW EXCLUSIVE MODE;

-- name: calls_after_erasures
-- Before anything is translated: what was registered after the last order to erase its number, and is not of that erasure.
SELECT c.workspace_id, c.call_id
FROM (
    SELECT e.workspace_id, n.called_number, max(e.ordered_xid) AS ordered_xid
    FROM erasure e CROSS JOIN LATERAL unnest(e.numbers) AS n (called_number)
    WHERE e.state = 'waiting'
    GROUP BY e.workspace_id, n.called_number
) o
JOIN call c ON c.workspace_id = o.workspace_id AND c.called_number = o.called_number
WHERE c.status IN ('registered', 'retry', 'ongoing') AND c.registered_xid >= o.ordered_xid;

-- name: translate_erasures
-- After all else: an erasure comes after every call, but after none of those. What an order on numbers covers stays covered, its id
-- is smaller.
WITH later AS (
    UPDATE call c
    SET registered_xid = ($1::bigint + 1)::text::xid8
    FROM unnest($2::uuid[], $3::uuid[]) AS l (workspace_id, call_id)
    WHERE c.workspace_id = l.workspace_id AND c.call_id = l.call_id AND c.registered_xid = $1::bigint::text::xid8
)
UPDATE erasure SET ordered_xid = ($1::bigint + 1)::text::xid8 WHERE state = 'waiting';
