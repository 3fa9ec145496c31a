-- Rules that hold at every commit. Each statement returns the ids that break its rule; none is the healthy answer.
-- They read raw rows on purpose: they check the writers. $1 is how many ids are enough. $2 is an instant, or null for all of
-- history: the timer looks only at what has happened since its last look, and then at no order of more than 10,000 calls,
-- so that watching costs little however large the tables are. An order is looked at when it has settled, up to an hour after
-- it was given.
-- LATERAL with LIMIT or OFFSET 0 keeps each probe on its key: planned as a join, a rule would read every call that there is.
-- ORDER BY beside LIMIT 1 names the index: without it the whole table looks like the nearest place to find one row.

-- name: call_on_the_wire_is_ongoing
SELECT a.attempt_id::text AS broken_id
FROM dial_attempt a
CROSS JOIN LATERAL (
    SELECT c.status FROM call c WHERE c.workspace_id = a.workspace_id AND c.call_id = a.call_id OFFSET 0
) c
WHERE a.state IN ('originated', 'ringing', 'answered') AND c.status <> 'ongoing' AND ($2::timestamptz IS NULL OR true)
LIMIT $1

-- name: ongoing_call_has_a_live_attempt
SELECT c.call_id::text AS broken_id
FROM call c
WHERE c.status = 'ongoing' AND ($2::timestamptz IS NULL OR true)
  AND NOT EXISTS (
      SELECT FROM dial_attempt a
      WHERE a.workspace_id = c.workspace_id AND a.call_id = c.call_id
        AND a.state IN ('originated', 'ringing', 'answered')
  )
-- Not for the reader: only the index of what is ongoing has this order.
ORDER BY c.campaign_id, c.epoch
LIMIT $1

-- name: every_past_epoch_has_its_fence
SELECT k.campaign_id::text || ' epoch ' || e.epoch AS broken_id
FROM campaign k
CROSS JOIN LATERAL generate_series(0, k.epoch - 1) AS e (epoch)
WHERE ($2::timestamptz IS NULL OR k.updated_at >= $2)
  AND NOT EXISTS (
      SELECT FROM campaign_fence f
      WHERE f.workspace_id = k.workspace_id AND f.campaign_id = k.campaign_id AND f.epoch = e.epoch
  )
LIMIT $1

-- name: fence_has_its_campaign_and_its_order
SELECT f.campaign_id::text || ' epoch ' || f.epoch AS broken_id
FROM campaign_fence f
LEFT JOIN LATERAL (
    SELECT true AS found FROM campaign k
    WHERE k.workspace_id = f.workspace_id AND k.campaign_id = f.campaign_id AND k.epoch > f.epoch
    OFFSET 0
) k ON true
LEFT JOIN LATERAL (
    SELECT true AS found FROM termination t
    WHERE t.workspace_id = f.workspace_id AND t.termination_id = f.termination_id
    OFFSET 0
) t ON true
WHERE ($2::timestamptz IS NULL OR f.raised_at >= $2) AND (k.found IS NULL OR t.found IS NULL)
LIMIT $1

-- name: no_call_is_ahead_of_its_campaign
SELECT ahead.call_id::text AS broken_id
FROM campaign k
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.epoch > k.epoch AND c.status IN ('registered', 'retry')
    ORDER BY c.epoch, c.next_attempt_at
    LIMIT 1
) ahead
WHERE $2::timestamptz IS NULL OR k.updated_at >= $2
LIMIT $1

-- name: nothing_originated_after_its_fence
SELECT a.attempt_id::text AS broken_id
FROM workspace w
CROSS JOIN LATERAL (
    SELECT d.attempt_id, d.campaign_id, d.call_id, d.originated_at
    FROM dial_attempt d
    WHERE d.workspace_id = w.workspace_id AND d.attempt_id >= ordered_uuid_floor(coalesce($2::timestamptz, '2000-01-01'))
      AND d.originated_at IS NOT NULL
    OFFSET 0
) a
CROSS JOIN LATERAL (
    SELECT c.epoch FROM call c WHERE c.workspace_id = w.workspace_id AND c.call_id = a.call_id OFFSET 0
) c
CROSS JOIN LATERAL (
    SELECT f.raised_at FROM campaign_fence f
    WHERE f.workspace_id = w.workspace_id AND f.campaign_id = a.campaign_id AND f.epoch = c.epoch
    OFFSET 0
) f
WHERE a.originated_at > f.raised_at
LIMIT $1

-- name: nothing_originated_after_its_call_ended
SELECT a.attempt_id::text AS broken_id
FROM workspace w
CROSS JOIN LATERAL (
    SELECT d.attempt_id, d.call_id, d.originated_at
    FROM dial_attempt d
    WHERE d.workspace_id = w.workspace_id AND d.attempt_id >= ordered_uuid_floor(coalesce($2::timestamptz, '2000-01-01'))
      AND d.originated_at IS NOT NULL
    OFFSET 0
) a
CROSS JOIN LATERAL (
    SELECT c.ended_at FROM call c WHERE c.workspace_id = w.workspace_id AND c.call_id = a.call_id OFFSET 0
) c
WHERE a.originated_at > c.ended_at
LIMIT $1

-- name: an_unknown_fate_is_final
SELECT a.attempt_id::text AS broken_id
FROM workspace w
CROSS JOIN LATERAL (
    SELECT d.attempt_id, d.call_id, d.prepared_at
    FROM dial_attempt d
    WHERE d.workspace_id = w.workspace_id AND d.attempt_id >= ordered_uuid_floor(coalesce($2::timestamptz, '2000-01-01'))
    OFFSET 0
) a
CROSS JOIN LATERAL (
    SELECT b.attempt_id, b.state, b.released_at
    FROM dial_attempt b
    WHERE b.workspace_id = w.workspace_id AND b.call_id = a.call_id
    OFFSET 0
) b
WHERE b.state = 'indeterminate' AND b.released_at < a.prepared_at AND b.attempt_id <> a.attempt_id
LIMIT $1

-- name: no_suppressed_number_is_rung
-- A number is stored a moment before the commit that counts; an import of millions stores its first numbers minutes before.
-- No statement of a request lasts longer than ten of them.
SELECT a.attempt_id::text AS broken_id
FROM workspace w
CROSS JOIN LATERAL (
    SELECT d.attempt_id, d.call_id, d.originated_at
    FROM dial_attempt d
    WHERE d.workspace_id = w.workspace_id AND d.attempt_id >= ordered_uuid_floor(coalesce($2::timestamptz, '2000-01-01'))
      AND d.originated_at IS NOT NULL
    OFFSET 0
) a
CROSS JOIN LATERAL (
    SELECT c.called_number FROM call c WHERE c.workspace_id = w.workspace_id AND c.call_id = a.call_id OFFSET 0
) c
CROSS JOIN LATERAL (
    SELECT s.created_at FROM suppression s WHERE s.workspace_id = w.workspace_id AND s.mobile_number = c.called_number OFFSET 0
) s
WHERE EXISTS (SELECT FROM suppression x WHERE x.workspace_id = w.workspace_id)
  AND a.originated_at > s.created_at + interval '11 minutes'
LIMIT $1

-- name: settled_fence_left_nothing_pending
SELECT f.campaign_id::text || ' epoch ' || f.epoch AS broken_id
FROM campaign_fence f
CROSS JOIN LATERAL (
    SELECT FROM call c
    WHERE c.campaign_id = f.campaign_id AND c.epoch = f.epoch AND c.status IN ('registered', 'retry')
    ORDER BY c.next_attempt_at
    LIMIT 1
) pending
WHERE f.settled_at IS NOT NULL AND ($2::timestamptz IS NULL OR f.settled_at >= $2)
LIMIT $1

-- name: settled_order_has_no_open_fence
SELECT t.termination_id::text AS broken_id
FROM (
    SELECT f.workspace_id, f.termination_id FROM campaign_fence f WHERE f.settled_at IS NULL
    UNION
    SELECT n.workspace_id, n.termination_id FROM number_fence n
) open
JOIN termination t ON t.workspace_id = open.workspace_id AND t.termination_id = open.termination_id
WHERE t.state = 'settled' AND ($2::timestamptz IS NULL OR true)
LIMIT $1

-- name: terminated_call_is_covered_by_its_order
WITH given AS MATERIALIZED (
    SELECT t.*
    FROM workspace w
    JOIN termination t ON t.workspace_id = w.workspace_id
        AND t.termination_id >= ordered_uuid_floor(coalesce($2::timestamptz - interval '1 hour', '2000-01-01'))
    WHERE $2::timestamptz IS NULL OR (t.cancelled_count <= 10000 AND (t.settled_at IS NULL OR t.settled_at >= $2))
)
SELECT c.call_id::text AS broken_id
FROM given t
CROSS JOIN LATERAL (
    SELECT o.call_id, o.workspace_id, o.campaign_id, o.called_number, o.created_at
    FROM call o
    WHERE o.workspace_id = t.workspace_id AND o.termination_id = t.termination_id
    OFFSET 0
) c
JOIN campaign k ON k.workspace_id = c.workspace_id AND k.campaign_id = c.campaign_id
WHERE c.created_at > t.created_at
   OR (t.selector ? 'campaign_id' AND t.selector ->> 'campaign_id' <> k.campaign_id::text)
   OR (t.selector ? 'agent_id' AND t.selector ->> 'agent_id' <> k.agent_id::text)
   OR (t.selector ? 'call_ids' AND NOT t.selector -> 'call_ids' ? c.call_id::text)
   -- A call of somebody whose data was erased names nobody; its order follows.
   OR (t.selector ? 'mobile_numbers' AND NOT t.selector -> 'mobile_numbers' ? c.called_number AND c.called_number <> 'erased')
LIMIT $1

-- name: settled_receipt_counts_its_calls
-- Receipts of the first release counted barred calls in another way: only what this schema wrote is compared.
WITH given AS MATERIALIZED (
    SELECT t.*
    FROM workspace w
    JOIN termination t ON t.workspace_id = w.workspace_id
        AND t.termination_id >= ordered_uuid_floor(coalesce($2::timestamptz - interval '1 hour', '2000-01-01'))
    WHERE t.state = 'settled' AND ($2::timestamptz IS NULL OR (t.cancelled_count <= 10000 AND t.settled_at >= $2))
      AND t.created_at > (SELECT m.applied_at FROM schema_migration m WHERE m.version = 2)
      -- A receipt outlives its calls.
      AND t.created_at >= $3
)
SELECT t.termination_id::text AS broken_id
FROM given t
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE c.status = 'cancelled' AND NOT c.retry_barred) AS cancelled_count,
        count(*) FILTER (WHERE c.retry_barred) AS retry_barred_count
    FROM call c
    WHERE c.workspace_id = t.workspace_id AND c.termination_id = t.termination_id
) counted
WHERE (counted.cancelled_count, counted.retry_barred_count) IS DISTINCT FROM (t.cancelled_count, t.retry_barred_count)
LIMIT $1

-- name: a_terminated_call_has_one_event
-- If somebody had asked for it a minute before the order (who asks commits a moment after the time that is stored), and as far
-- back as events are kept: for an hour at least, and then in batches that may cut an order's events in two.
WITH given AS MATERIALIZED (
    SELECT t.*
    FROM workspace w
    JOIN termination t ON t.workspace_id = w.workspace_id
        AND t.termination_id >= ordered_uuid_floor(coalesce($2::timestamptz - interval '1 hour', '2000-01-01'))
    WHERE t.state = 'settled' AND ($2::timestamptz IS NULL OR (t.cancelled_count <= 10000 AND t.settled_at >= $2))
      AND t.created_at > (
          SELECT least(min(e.created_at) + interval '1 minute', statement_timestamp() - interval '50 minutes')
          FROM outbox_event e
      )
), asked AS MATERIALIZED (
    SELECT s.workspace_id, s.agent_id, s.created_at FROM event_subscription s WHERE s.event_type = 'call_completed'
)
SELECT c.call_id::text AS broken_id
FROM given t
CROSS JOIN LATERAL (
    SELECT o.call_id, o.workspace_id, o.campaign_id, o.status
    FROM call o
    WHERE o.workspace_id = t.workspace_id AND o.termination_id = t.termination_id
      AND EXISTS (
          SELECT FROM asked s WHERE s.workspace_id = t.workspace_id AND s.created_at < t.created_at - interval '1 minute'
      )
    OFFSET 0
) c
JOIN campaign k ON k.workspace_id = c.workspace_id AND k.campaign_id = c.campaign_id
CROSS JOIN LATERAL (
    SELECT count(*)
    FROM outbox_event e
    WHERE e.workspace_id = c.workspace_id AND e.call_id = c.call_id AND e.event_type = 'call_completed'
      AND e.payload ->> 'status' = 'cancelled'
) published
WHERE c.status = 'cancelled' AND published.count <> 1
  AND EXISTS (
      SELECT FROM asked s
      WHERE s.workspace_id = c.workspace_id AND s.created_at < t.created_at - interval '1 minute'
        AND (s.agent_id = k.agent_id OR s.agent_id IS NULL)
  )
LIMIT $1
