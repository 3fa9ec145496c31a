-- What settles behind the fences: bounded batches that wait for nobody, until the receipt can be closed.

-- name: next_campaign_fence
-- The one that has waited longest since its last batch, so that a huge order does not hold up a small one.
SELECT workspace_id, termination_id, campaign_id, epoch, sub_status, swept_at, swept_at > clock_timestamp() AS is_early
FROM campaign_fence
WHERE settled_at IS NULL
ORDER BY swept_at
LIMIT 1
FOR UPDATE SKIP LOCKED

-- name: next_number_fence
-- The order's row stands for all its fences: two sweepers never share one.
SELECT f.workspace_id, f.termination_id, f.sub_status, f.swept_at, f.swept_at > clock_timestamp() AS is_early
FROM termination t
JOIN number_fence f ON f.workspace_id = t.workspace_id AND f.termination_id = t.termination_id
WHERE t.state = 'settling'
ORDER BY f.swept_at
LIMIT 1
FOR NO KEY UPDATE OF t SKIP LOCKED

-- name: sweep_campaign_ongoing
WITH covered AS MATERIALIZED (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = $2 AND c.epoch = $3 AND c.status = 'ongoing' AND NOT c.retry_barred
      -- As for the pending: behind an older number fence it belongs to that order.
      AND NOT EXISTS (
          SELECT FROM number_fence f
          JOIN campaign k ON k.workspace_id = $4 AND k.campaign_id = $2
          JOIN campaign_fence e ON e.workspace_id = $4 AND e.campaign_id = $2 AND e.epoch = $3
          WHERE f.workspace_id = $4 AND f.called_number = c.called_number AND f.raised_at < e.raised_at
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id)
            AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
    FOR UPDATE OF c SKIP LOCKED
)
UPDATE call c
SET retry_barred = true, termination_id = $1
WHERE c.workspace_id = $4 AND c.call_id = ANY(ARRAY(SELECT v.call_id FROM covered v))
  AND c.call_id >= (SELECT v.call_id FROM covered v ORDER BY v.call_id LIMIT 1)
  AND c.call_id <= (SELECT v.call_id FROM covered v ORDER BY v.call_id DESC LIMIT 1)

-- name: sweep_campaign
-- SKIP LOCKED: a row that somebody holds is left for the next batch, so the sweeper never waits and never crosses locks.
-- By id, and from the first id to the last, which leaves few partitions. Never by place (ctid): each partition has its own first row.
-- A call that an older number fence covers belongs to that order: its sweep takes it.
WITH batch AS MATERIALIZED (
    SELECT c.call_id
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
    WHERE c.workspace_id = $1 AND c.call_id = ANY(ARRAY(SELECT b.call_id FROM batch b))
      AND c.call_id >= (SELECT b.call_id FROM batch b ORDER BY b.call_id LIMIT 1)
      AND c.call_id <= (SELECT b.call_id FROM batch b ORDER BY b.call_id DESC LIMIT 1)
      AND f.workspace_id = $1 AND f.campaign_id = $2 AND f.epoch = $3
    RETURNING c.workspace_id, c.call_id, c.campaign_id, c.sub_status, c.last_attempt_at IS NULL AS was_registered
), tallied AS (
    INSERT INTO tally_step (workspace_id, campaign_id, epoch, begun_count, cancelled_count)
    SELECT $1, $2, $3, count(*) FILTER (WHERE x.was_registered), count(*)
    FROM swept x
    WHERE EXISTS (SELECT FROM campaign k WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.is_tallied)
    HAVING count(*) > 0
), published AS (
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT
        x.workspace_id, w.event_type, x.call_id,
        jsonb_build_object(
            'campaign_id', x.campaign_id, 'status', 'cancelled', 'sub_status', x.sub_status, 'termination_id', $4::uuid
        )
    FROM swept x
    -- Asked once a batch: the campaign has one agent.
    CROSS JOIN events_of_an_end(
        $1, (SELECT k.agent_id FROM campaign k WHERE k.workspace_id = $1 AND k.campaign_id = $2), 'cancelled'
    ) w (event_type)
    RETURNING event_id
)
SELECT
    (SELECT count(*) FROM swept) AS cancelled_count,
    (SELECT count(*) FROM published) AS event_count,
    EXISTS (
        SELECT FROM dial_attempt a WHERE a.state IN ('prepared', 'originated', 'ringing', 'answered')
    ) AS is_dialling

-- name: sweep_numbers_ongoing
-- Through the live attempts, which the channels bound: the numbers may have very many pending calls, and every batch looks.
-- One look after the other, in this order: where nothing was there when somebody last looked, every order looks as cheap, and each
-- number of the order with each campaign and each live attempt are millions, while rows that everybody needs are locked.
WITH covered AS MATERIALIZED (
    SELECT c.call_id
    FROM dial_attempt a
    CROSS JOIN LATERAL (
        SELECT o.call_id, o.campaign_id, o.epoch, o.called_number, o.status, o.retry_barred, o.registered_xid
        FROM call o
        WHERE o.workspace_id = a.workspace_id AND o.call_id = a.call_id
        OFFSET 0
    ) c
    CROSS JOIN LATERAL (
        SELECT f.called_number, f.termination_id, f.campaign_id, f.agent_id, f.registered_in, f.raised_at
        FROM number_fence f
        WHERE f.workspace_id = $1 AND f.called_number = c.called_number AND f.termination_id = $2
        OFFSET 0
    ) n
    CROSS JOIN LATERAL (
        SELECT k.campaign_id, k.agent_id FROM campaign k WHERE k.workspace_id = $1 AND k.campaign_id = c.campaign_id OFFSET 0
    ) k
    LEFT JOIN campaign_fence e ON e.workspace_id = $1 AND e.campaign_id = c.campaign_id AND e.epoch = c.epoch
    WHERE a.workspace_id = $1 AND a.state IN ('prepared', 'originated', 'ringing', 'answered')
      AND c.status = 'ongoing' AND NOT c.retry_barred
      -- As for the pending: behind an older fence it belongs to that order.
      AND (e.raised_at IS NULL OR e.raised_at > n.raised_at)
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = n.called_number
            AND (f.raised_at, f.termination_id) < (n.raised_at, n.termination_id)
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id)
            AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
      AND (n.campaign_id IS NULL OR n.campaign_id = k.campaign_id)
      AND (n.agent_id IS NULL OR n.agent_id = k.agent_id)
      AND pg_visible_in_snapshot(c.registered_xid, n.registered_in)
), locked AS MATERIALIZED (
    SELECT c.call_id, c.status
    FROM call c
    WHERE c.workspace_id = $1 AND c.call_id = ANY(ARRAY(SELECT v.call_id FROM covered v))
      AND c.call_id >= (SELECT v.call_id FROM covered v ORDER BY v.call_id LIMIT 1)
      AND c.call_id <= (SELECT v.call_id FROM covered v ORDER BY v.call_id DESC LIMIT 1)
    FOR UPDATE SKIP LOCKED
)
UPDATE call c
SET retry_barred = true, termination_id = $2
WHERE c.workspace_id = $1 AND c.call_id = ANY(ARRAY(SELECT l.call_id FROM locked l WHERE l.status = 'ongoing'))
  AND c.call_id >= (SELECT l.call_id FROM locked l ORDER BY l.call_id LIMIT 1)
  AND c.call_id <= (SELECT l.call_id FROM locked l ORDER BY l.call_id DESC LIMIT 1)

-- name: sweep_numbers
-- A call that an older campaign fence covers belongs to that order: its sweep takes it.
WITH batch AS MATERIALIZED (
    SELECT c.call_id
    FROM number_fence n
    CROSS JOIN LATERAL (
        SELECT o.call_id, o.campaign_id, o.epoch, o.status, o.registered_xid
        FROM call o
        WHERE o.workspace_id = $1 AND o.called_number = n.called_number
          AND o.status IN ('registered', 'retry', 'ongoing')
        OFFSET 0
    ) c
    CROSS JOIN LATERAL (
        SELECT k.campaign_id, k.agent_id FROM campaign k WHERE k.workspace_id = $1 AND k.campaign_id = c.campaign_id OFFSET 0
    ) k
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
    SELECT c.call_id, c.status
    FROM call c
    WHERE c.workspace_id = $1 AND c.call_id = ANY(ARRAY(SELECT b.call_id FROM batch b))
      AND c.call_id >= (SELECT b.call_id FROM batch b ORDER BY b.call_id LIMIT 1)
      AND c.call_id <= (SELECT b.call_id FROM batch b ORDER BY b.call_id DESC LIMIT 1)
    FOR UPDATE SKIP LOCKED
), swept AS (
    UPDATE call c
    SET status = 'cancelled',
        sub_status = 'USER_TERMINATED',
        termination_id = $2,
        next_attempt_at = NULL,
        ended_at = (SELECT min(n.raised_at) FROM number_fence n WHERE n.workspace_id = $1 AND n.termination_id = $2)
    WHERE c.workspace_id = $1
      AND c.call_id = ANY(ARRAY(SELECT l.call_id FROM locked l WHERE l.status IN ('registered', 'retry')))
      AND c.call_id >= (SELECT l.call_id FROM locked l ORDER BY l.call_id LIMIT 1)
      AND c.call_id <= (SELECT l.call_id FROM locked l ORDER BY l.call_id DESC LIMIT 1)
    RETURNING c.workspace_id, c.call_id, c.campaign_id, c.epoch, c.last_attempt_at IS NULL AS was_registered
), tallied AS (
    INSERT INTO tally_step (workspace_id, campaign_id, epoch, begun_count, cancelled_count)
    SELECT $1, x.campaign_id, x.epoch, count(*) FILTER (WHERE x.was_registered), count(*)
    FROM swept x
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = x.campaign_id
    WHERE k.is_tallied
    GROUP BY x.campaign_id, x.epoch
), published AS (
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT
        x.workspace_id, w.event_type, x.call_id,
        jsonb_build_object(
            'campaign_id', x.campaign_id, 'status', 'cancelled', 'sub_status', 'USER_TERMINATED',
            'termination_id', $2::uuid
        )
    FROM swept x
    JOIN campaign k ON k.workspace_id = x.workspace_id AND k.campaign_id = x.campaign_id
    CROSS JOIN LATERAL events_of_an_end($1, k.agent_id, 'cancelled') w (event_type)
    RETURNING event_id
)
SELECT
    (SELECT count(*) FROM swept) AS cancelled_count,
    (SELECT count(*) FROM published) AS event_count,
    EXISTS (
        SELECT FROM dial_attempt a WHERE a.state IN ('prepared', 'originated', 'ringing', 'answered')
    ) AS is_dialling

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
  -- The rows of a list that is being verified are still to come.
  AND NOT EXISTS (
      SELECT FROM list_upload u
      WHERE u.workspace_id = $1 AND u.campaign_id = $2 AND u.epoch = $3 AND u.state = 'verifying'
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
      CROSS JOIN LATERAL (
          SELECT k.campaign_id, k.agent_id FROM campaign k WHERE k.workspace_id = $1 AND k.campaign_id = c.campaign_id OFFSET 0
      ) k
      WHERE n.workspace_id = $1 AND n.termination_id = $2
        AND (c.status IN ('registered', 'retry') OR (c.status = 'ongoing' AND NOT c.retry_barred))
        AND (n.campaign_id IS NULL OR n.campaign_id = k.campaign_id)
        AND (n.agent_id IS NULL OR n.agent_id = k.agent_id)
        AND pg_visible_in_snapshot(c.registered_xid, n.registered_in)
  )
  -- Nor while a list is verified that was uploaded before the order: its rows are still to come.
  AND NOT EXISTS (
      SELECT FROM number_fence n
      JOIN list_upload u ON u.workspace_id = $1 AND u.state = 'verifying'
      JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = u.campaign_id
      WHERE n.workspace_id = $1 AND n.termination_id = $2
        AND (n.campaign_id IS NULL OR n.campaign_id = k.campaign_id)
        AND (n.agent_id IS NULL OR n.agent_id = k.agent_id)
        AND pg_visible_in_snapshot(u.uploaded_xid, n.registered_in)
  )
RETURNING d.termination_id

-- name: close_termination
WITH closed AS (
    UPDATE termination t
    SET state = 'settled', settled_at = clock_timestamp()
    WHERE t.workspace_id = $1 AND t.termination_id = $2 AND t.state = 'settling'
      AND NOT EXISTS (
          SELECT FROM campaign_fence f
          WHERE f.workspace_id = $1 AND f.termination_id = $2 AND f.settled_at IS NULL
      )
      AND NOT EXISTS (SELECT FROM number_fence f WHERE f.workspace_id = $1 AND f.termination_id = $2)
    RETURNING t.workspace_id, termination_payload(t) AS payload
)
INSERT INTO outbox_event (workspace_id, event_type, payload)
SELECT c.workspace_id, 'termination_settled', c.payload
FROM closed c
WHERE EXISTS (SELECT FROM event_subscription e WHERE e.workspace_id = $1 AND e.event_type = 'termination_settled')
