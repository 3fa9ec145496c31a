-- The kill switch: fences that cost the same for ten calls and ten million, row updates for what is named one by one,
-- and the sweeper that settles behind the fences.

-- name: lock_exclusive
SELECT pg_advisory_xact_lock(lock_key($1, $2, $3))

-- name: lock_shared
-- Whoever stands still with it is ended within a second: an order waits behind it, and all permits behind the order.
SELECT set_config('idle_in_transaction_session_timeout', '1000', true), pg_advisory_xact_lock_shared(lock_key($1, $2, $3))

-- name: add_termination
INSERT INTO termination (workspace_id, level, selector, reason, api_key_id)
VALUES ($1, $2, $3, $4, $5)
RETURNING termination_id

-- The probes find one terminable call (a witness) without any lock; the order looks at the witness again under its lock,
-- so that a long search (many rows behind number fences) never happens while permits wait.
-- Each block fits one index only, and LATERAL with LIMIT or OFFSET 0 keeps it apart: an EXISTS may be planned as a join that
-- reads every pending call, and a status beside another key invites an index that old statistics believe empty.

-- name: probe_campaign
SELECT pending.call_id
FROM campaign k
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = k.workspace_id AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
    ORDER BY c.next_attempt_at DESC
    LIMIT 1
) pending
WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.kind = 'list' AND ($3::uuid IS NULL OR k.agent_id = $3)

-- name: probe_agent
SELECT pending.call_id
FROM campaign k
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = k.workspace_id AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
    ORDER BY c.next_attempt_at DESC
    LIMIT 1
) pending
WHERE k.workspace_id = $1 AND k.agent_id = $2
LIMIT 1

-- name: probe_numbers
SELECT c.call_id
FROM unnest($2::text[]) AS n (called_number)
CROSS JOIN LATERAL (
        SELECT o.call_id, o.campaign_id, o.epoch, o.status, o.called_number, o.registered_xid
        FROM call o
        WHERE o.workspace_id = $1 AND o.called_number = n.called_number
          AND o.status IN ('registered', 'retry', 'ongoing')
        OFFSET 0
) c
JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = c.campaign_id
WHERE c.status IN ('registered', 'retry') AND c.epoch = k.epoch
  AND ($3::uuid IS NULL OR (k.campaign_id = $3 AND k.kind = 'list'))
  AND ($4::uuid IS NULL OR k.agent_id = $4)
  AND NOT EXISTS (
      SELECT FROM number_fence f
      WHERE f.workspace_id = $1 AND f.called_number = c.called_number
        AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
        AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
  )
LIMIT 1

-- name: is_terminable
WITH witness AS MATERIALIZED (
    SELECT c.status, c.epoch, c.campaign_id, c.called_number, c.registered_xid
    FROM call c
    WHERE c.workspace_id = $1 AND c.call_id = $2
)
SELECT EXISTS (
    SELECT FROM witness c
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = c.campaign_id
    WHERE c.status IN ('registered', 'retry') AND c.epoch = k.epoch
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
)

-- name: fence_campaign
-- After lock_exclusive('campaign', …). Touches one row, however many calls there are.
WITH raised AS (
    UPDATE campaign k
    SET epoch = k.epoch + 1,
        status = CASE WHEN $4 = 'CAMPAIGN_TIME_EXCEEDED' THEN 'completed' ELSE 'terminated' END,
        updated_at = clock_timestamp()
    WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.kind = 'list'
    RETURNING k.workspace_id, k.campaign_id, k.epoch - 1 AS epoch
)
INSERT INTO campaign_fence (workspace_id, campaign_id, epoch, termination_id, sub_status)
SELECT r.workspace_id, r.campaign_id, r.epoch, $3, $4 FROM raised r

-- name: fence_agent
-- After lock_exclusive('agent', …). Campaigns with calls on the wire but none pending are fenced too: no retry follows.
WITH target AS MATERIALIZED (
    SELECT k.workspace_id, k.campaign_id, k.epoch
    FROM campaign k
    LEFT JOIN LATERAL (
        SELECT true AS found
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
        ORDER BY c.next_attempt_at
        LIMIT 1
    ) pending ON true
    LEFT JOIN LATERAL (
        SELECT true AS found
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status = 'ongoing'
        LIMIT 1
    ) ongoing ON true
    WHERE k.workspace_id = $1 AND k.agent_id = $2 AND (pending.found OR ongoing.found)
    ORDER BY k.campaign_id
    FOR NO KEY UPDATE OF k
), raised AS (
    UPDATE campaign k
    SET epoch = k.epoch + 1,
        status = CASE WHEN k.kind = 'list' THEN 'terminated' ELSE k.status END,
        updated_at = clock_timestamp()
    FROM target t
    WHERE k.workspace_id = t.workspace_id AND k.campaign_id = t.campaign_id
    RETURNING k.workspace_id, k.campaign_id, k.epoch - 1 AS epoch
)
INSERT INTO campaign_fence (workspace_id, campaign_id, epoch, termination_id, sub_status)
SELECT r.workspace_id, r.campaign_id, r.epoch, $3, 'USER_TERMINATED' FROM raised r

-- name: count_left_ongoing
-- Right after the fences of the order, under its lock: what is on the wire now will not be retried. Bounded by the channels.
UPDATE termination
SET retry_barred_count = (
    SELECT count(*)
    FROM campaign_fence f
    CROSS JOIN LATERAL (
        SELECT FROM call c
        WHERE c.campaign_id = f.campaign_id AND c.epoch = f.epoch AND c.status = 'ongoing' AND NOT c.retry_barred
        OFFSET 0
    ) ongoing
    WHERE f.workspace_id = $1 AND f.termination_id = $2
)
WHERE workspace_id = $1 AND termination_id = $2

-- name: fence_numbers
-- After lock_exclusive('number_fences', …), in a statement of its own: the snapshot that is kept says which calls were
-- registered before the order.
INSERT INTO number_fence (
    workspace_id, called_number, termination_id, campaign_id, agent_id, registered_in, sub_status
)
SELECT $1, n.called_number, $3, $4, $5, pg_current_snapshot(), 'USER_TERMINATED'
FROM unnest($2::text[]) AS n (called_number)

-- name: covered_by_call_ids
-- Locks in the order of ids, like every other writer of several calls. Permit and order meet on these rows.
WITH locked AS MATERIALIZED (
    SELECT c.call_id, c.campaign_id, c.epoch, c.status, c.called_number, c.registered_xid
    FROM call c
    WHERE c.workspace_id = $1 AND c.call_id = ANY($2::uuid[])
    ORDER BY c.call_id
    FOR UPDATE OF c
)
SELECT c.call_id, c.status
FROM locked c
JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = c.campaign_id
WHERE ($3::text[] IS NULL OR c.called_number = ANY($3))
  AND ($4::uuid IS NULL OR (k.campaign_id = $4 AND k.kind = 'list'))
  AND ($5::uuid IS NULL OR k.agent_id = $5)
  AND (
      c.status = 'ongoing'
      OR (c.status IN ('registered', 'retry') AND c.epoch = k.epoch
          AND NOT EXISTS (
              SELECT FROM number_fence f
              WHERE f.workspace_id = $1 AND f.called_number = c.called_number
                AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
                AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
          ))
  )

-- name: covered_by_numbers
-- At most $5 rows: an upload that committed since they were counted must not make this unbounded.
WITH locked AS MATERIALIZED (
    SELECT c.call_id, c.campaign_id, c.epoch, c.status, c.called_number, c.registered_xid
    FROM call c
    WHERE c.workspace_id = $1 AND c.called_number = ANY($2::text[])
      AND c.status IN ('registered', 'retry', 'ongoing')
    ORDER BY c.call_id
    LIMIT $5
    FOR UPDATE OF c
)
SELECT c.call_id, c.status,
    ($3::uuid IS NULL OR (k.campaign_id = $3 AND k.kind = 'list'))
    AND ($4::uuid IS NULL OR k.agent_id = $4)
    AND (
        c.status = 'ongoing'
        OR (c.epoch = k.epoch
            AND NOT EXISTS (
                SELECT FROM number_fence f
                WHERE f.workspace_id = $1 AND f.called_number = c.called_number
                  AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
                  AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
            ))
    ) AS is_covered
FROM locked c
JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = c.campaign_id

-- name: cancel_calls
-- Only rows that covered_by_… has locked as pending in this transaction: their status cannot have moved since.
WITH cancelled AS (
    UPDATE call c
    SET status = 'cancelled',
        sub_status = 'USER_TERMINATED',
        termination_id = $2,
        next_attempt_at = NULL,
        ended_at = clock_timestamp()
    WHERE c.workspace_id = $1 AND c.call_id = ANY($3::uuid[])
    RETURNING c.workspace_id, c.call_id, c.campaign_id
), published AS (
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT
        x.workspace_id, 'call_completed', x.call_id,
        jsonb_build_object(
            'campaign_id', x.campaign_id, 'status', 'cancelled', 'sub_status', 'USER_TERMINATED', 'termination_id', $2
        )
    FROM cancelled x
)
SELECT count(*) AS cancelled_count FROM cancelled

-- name: bar_retries
-- Only rows that covered_by_… has locked as ongoing. What an earlier order barred stays on that order's receipt.
UPDATE call c
SET retry_barred = true, termination_id = $2
WHERE c.workspace_id = $1 AND c.call_id = ANY($3::uuid[]) AND NOT c.retry_barred

-- name: count_by_numbers
-- How heavy a termination by numbers is, counted no further than the limit that decides between rows and fence.
SELECT count(*) FROM (
    SELECT FROM call c
    WHERE c.workspace_id = $1 AND c.called_number = ANY($2::text[]) AND c.status IN ('registered', 'retry', 'ongoing')
    LIMIT $3
) AS open_call

-- name: settle_termination
UPDATE termination
SET state = 'settled', settled_at = clock_timestamp(), cancelled_count = $3, retry_barred_count = $4
WHERE workspace_id = $1 AND termination_id = $2 AND state = 'settling'

-- name: next_campaign_fence
-- The one that has waited longest since its last batch, so that a huge order does not hold up a small one.
SELECT workspace_id, termination_id, campaign_id, epoch, sub_status, swept_at
FROM campaign_fence
WHERE settled_at IS NULL
ORDER BY swept_at
LIMIT 1
FOR UPDATE SKIP LOCKED

-- name: next_number_fence
-- The order's row stands for all its fences: two sweepers never share one.
SELECT f.workspace_id, f.termination_id, f.sub_status, f.swept_at
FROM termination t
JOIN number_fence f ON f.workspace_id = t.workspace_id AND f.termination_id = t.termination_id
WHERE t.state = 'settling'
ORDER BY f.swept_at
LIMIT 1
FOR NO KEY UPDATE OF t SKIP LOCKED

-- name: sweep_campaign_ongoing
WITH covered AS MATERIALIZED (
    SELECT c.ctid AS place
    FROM call c
    WHERE c.campaign_id = $2 AND c.epoch = $3 AND c.status = 'ongoing' AND NOT c.retry_barred
    FOR UPDATE SKIP LOCKED
)
UPDATE call c
SET retry_barred = true, termination_id = $1
WHERE c.ctid = ANY(ARRAY(SELECT v.place FROM covered v))

-- name: sweep_campaign
-- SKIP LOCKED: a row that somebody holds is left for the next batch, so the sweeper never waits and never crosses locks.
-- By place (ctid): the rows were locked a moment ago and need no second search; it takes no statistics to find them.
-- A call that an older number fence covers belongs to that order: its sweep takes it.
WITH batch AS MATERIALIZED (
    SELECT c.ctid AS place
    FROM call c
    WHERE c.campaign_id = $2 AND c.epoch = $3 AND c.status IN ('registered', 'retry')
      AND NOT EXISTS (
          SELECT FROM number_fence f
          JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = $2
          JOIN campaign_fence e ON e.workspace_id = $1 AND e.campaign_id = $2 AND e.epoch = $3
          WHERE f.workspace_id = $1 AND f.called_number = c.called_number AND f.raised_at < e.raised_at
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id)
            AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
    ORDER BY c.next_attempt_at
    LIMIT $5
    FOR UPDATE OF c SKIP LOCKED
), swept AS (
    UPDATE call c
    SET status = 'cancelled',
        sub_status = f.sub_status,
        termination_id = f.termination_id,
        next_attempt_at = NULL,
        ended_at = f.raised_at
    FROM campaign_fence f
    WHERE c.ctid = ANY(ARRAY(SELECT b.place FROM batch b))
      AND f.workspace_id = $1 AND f.campaign_id = $2 AND f.epoch = $3
    RETURNING c.workspace_id, c.call_id, c.campaign_id, c.sub_status
), published AS (
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT
        x.workspace_id, 'call_completed', x.call_id,
        jsonb_build_object(
            'campaign_id', x.campaign_id, 'status', 'cancelled', 'sub_status', x.sub_status, 'termination_id', $4::uuid
        )
    FROM swept x
)
SELECT count(*) FROM swept

-- name: sweep_numbers_ongoing
WITH covered AS MATERIALIZED (
    SELECT c.place
    FROM number_fence n
    CROSS JOIN LATERAL (
        SELECT o.ctid AS place, o.campaign_id, o.status, o.retry_barred, o.registered_xid
        FROM call o
        WHERE o.workspace_id = $1 AND o.called_number = n.called_number
          AND o.status IN ('registered', 'retry', 'ongoing')
        OFFSET 0
    ) c
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = c.campaign_id
    WHERE n.workspace_id = $1 AND n.termination_id = $2 AND c.status = 'ongoing' AND NOT c.retry_barred
      AND (n.campaign_id IS NULL OR n.campaign_id = k.campaign_id)
      AND (n.agent_id IS NULL OR n.agent_id = k.agent_id)
      AND pg_visible_in_snapshot(c.registered_xid, n.registered_in)
), locked AS MATERIALIZED (
    SELECT c.ctid AS place, c.status
    FROM call c
    WHERE c.ctid = ANY(ARRAY(SELECT v.place FROM covered v))
    FOR UPDATE SKIP LOCKED
)
UPDATE call c
SET retry_barred = true, termination_id = $2
WHERE c.ctid = ANY(ARRAY(SELECT l.place FROM locked l WHERE l.status = 'ongoing'))

-- name: sweep_numbers
-- A call that an older campaign fence covers belongs to that order: its sweep takes it.
WITH batch AS MATERIALIZED (
    SELECT c.place
    FROM number_fence n
    CROSS JOIN LATERAL (
        SELECT o.ctid AS place, o.campaign_id, o.epoch, o.status, o.registered_xid
        FROM call o
        WHERE o.workspace_id = $1 AND o.called_number = n.called_number
          AND o.status IN ('registered', 'retry', 'ongoing')
        OFFSET 0
    ) c
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = c.campaign_id
    LEFT JOIN campaign_fence e ON e.workspace_id = $1 AND e.campaign_id = c.campaign_id AND e.epoch = c.epoch
    WHERE n.workspace_id = $1 AND n.termination_id = $2 AND c.status IN ('registered', 'retry')
      AND (e.raised_at IS NULL OR e.raised_at > n.raised_at)
      AND (n.campaign_id IS NULL OR n.campaign_id = k.campaign_id)
      AND (n.agent_id IS NULL OR n.agent_id = k.agent_id)
      AND pg_visible_in_snapshot(c.registered_xid, n.registered_in)
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = n.called_number
            AND (f.raised_at, f.termination_id) < (n.raised_at, n.termination_id)
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id)
            AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
    LIMIT $3
), locked AS MATERIALIZED (
    SELECT c.ctid AS place, c.status
    FROM call c
    WHERE c.ctid = ANY(ARRAY(SELECT b.place FROM batch b))
    FOR UPDATE SKIP LOCKED
), swept AS (
    UPDATE call c
    SET status = 'cancelled',
        sub_status = 'USER_TERMINATED',
        termination_id = $2,
        next_attempt_at = NULL,
        ended_at = (SELECT min(n.raised_at) FROM number_fence n WHERE n.workspace_id = $1 AND n.termination_id = $2)
    WHERE c.ctid = ANY(ARRAY(SELECT l.place FROM locked l WHERE l.status IN ('registered', 'retry')))
    RETURNING c.workspace_id, c.call_id, c.campaign_id
), published AS (
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT
        x.workspace_id, 'call_completed', x.call_id,
        jsonb_build_object(
            'campaign_id', x.campaign_id, 'status', 'cancelled', 'sub_status', 'USER_TERMINATED',
            'termination_id', $2::uuid
        )
    FROM swept x
)
SELECT count(*) FROM swept

-- name: add_to_receipt
UPDATE termination
SET cancelled_count = cancelled_count + $3, retry_barred_count = retry_barred_count + $4
WHERE workspace_id = $1 AND termination_id = $2

-- name: touch_campaign_fence
UPDATE campaign_fence SET swept_at = clock_timestamp() + make_interval(secs => $4)
WHERE workspace_id = $1 AND campaign_id = $2 AND epoch = $3

-- name: touch_number_fence
UPDATE number_fence SET swept_at = clock_timestamp() + make_interval(secs => $3) WHERE workspace_id = $1 AND termination_id = $2

-- name: close_campaign_fence
UPDATE campaign_fence f
SET settled_at = clock_timestamp()
WHERE f.workspace_id = $1 AND f.campaign_id = $2 AND f.epoch = $3 AND f.settled_at IS NULL
  AND NOT EXISTS (
      SELECT FROM call c WHERE c.campaign_id = $2 AND c.epoch = $3 AND c.status IN ('registered', 'retry')
  )
  AND NOT EXISTS (
      SELECT FROM call c
      WHERE c.campaign_id = $2 AND c.epoch = $3 AND c.status = 'ongoing' AND NOT c.retry_barred
  )
RETURNING termination_id

-- name: close_number_fence
-- Once no covered row is pending or may still become pending, the fence itself is not needed any more.
DELETE FROM number_fence d
WHERE d.workspace_id = $1 AND d.termination_id = $2
  AND NOT EXISTS (
      SELECT FROM number_fence n
      CROSS JOIN LATERAL (
          SELECT o.campaign_id, o.status, o.retry_barred, o.registered_xid
          FROM call o
          WHERE o.workspace_id = $1 AND o.called_number = n.called_number
            AND o.status IN ('registered', 'retry', 'ongoing')
          OFFSET 0
      ) c
      JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = c.campaign_id
      WHERE n.workspace_id = $1 AND n.termination_id = $2
        AND (c.status IN ('registered', 'retry') OR (c.status = 'ongoing' AND NOT c.retry_barred))
        AND (n.campaign_id IS NULL OR n.campaign_id = k.campaign_id)
        AND (n.agent_id IS NULL OR n.agent_id = k.agent_id)
        AND pg_visible_in_snapshot(c.registered_xid, n.registered_in)
  )
RETURNING d.termination_id

-- name: close_termination
UPDATE termination t
SET state = 'settled', settled_at = clock_timestamp()
WHERE t.workspace_id = $1 AND t.termination_id = $2 AND t.state = 'settling'
  AND NOT EXISTS (
      SELECT FROM campaign_fence f
      WHERE f.workspace_id = $1 AND f.termination_id = $2 AND f.settled_at IS NULL
  )
  AND NOT EXISTS (SELECT FROM number_fence f WHERE f.workspace_id = $1 AND f.termination_id = $2)

-- name: receipt
SELECT termination_id, level, selector, reason, api_key_id, state, cancelled_count, retry_barred_count, created_at,
    settled_at
FROM termination
WHERE workspace_id = $1 AND termination_id = $2
