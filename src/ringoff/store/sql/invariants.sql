-- Rules that hold at every commit. Each statement returns the ids that break its rule; none is the healthy answer.
-- They read raw rows on purpose: they check the writers.

-- name: call_on_the_wire_is_ongoing
SELECT a.attempt_id::text AS broken_id
FROM dial_attempt a
JOIN call c ON c.workspace_id = a.workspace_id AND c.call_id = a.call_id
WHERE a.state IN ('originated', 'ringing', 'answered') AND c.status <> 'ongoing'
LIMIT $1

-- name: ongoing_call_has_a_live_attempt
SELECT c.call_id::text AS broken_id
FROM call c
WHERE c.status = 'ongoing'
  AND NOT EXISTS (
      SELECT FROM dial_attempt a
      WHERE a.workspace_id = c.workspace_id AND a.call_id = c.call_id
        AND a.state IN ('originated', 'ringing', 'answered')
  )
LIMIT $1

-- name: every_past_epoch_has_its_fence
SELECT k.campaign_id::text || ' epoch ' || e.epoch AS broken_id
FROM campaign k
CROSS JOIN LATERAL generate_series(0, k.epoch - 1) AS e (epoch)
WHERE NOT EXISTS (
    SELECT FROM campaign_fence f
    WHERE f.workspace_id = k.workspace_id AND f.campaign_id = k.campaign_id AND f.epoch = e.epoch
)
LIMIT $1

-- name: no_call_is_ahead_of_its_campaign
SELECT c.call_id::text AS broken_id
FROM campaign k
JOIN call c ON c.campaign_id = k.campaign_id AND c.epoch > k.epoch AND c.status IN ('registered', 'retry')
LIMIT $1

-- name: nothing_originated_after_its_fence
SELECT a.attempt_id::text AS broken_id
FROM campaign_fence f
JOIN call c ON c.workspace_id = f.workspace_id AND c.campaign_id = f.campaign_id AND c.epoch = f.epoch
JOIN dial_attempt a ON a.workspace_id = c.workspace_id AND a.call_id = c.call_id
WHERE a.originated_at > f.raised_at
LIMIT $1

-- name: settled_fence_left_nothing_pending
SELECT f.campaign_id::text || ' epoch ' || f.epoch AS broken_id
FROM campaign_fence f
WHERE f.settled_at IS NOT NULL
  AND EXISTS (
      SELECT FROM call c
      WHERE c.campaign_id = f.campaign_id AND c.epoch = f.epoch AND c.status IN ('registered', 'retry')
  )
LIMIT $1

-- name: settled_termination_has_no_open_fence
SELECT t.termination_id::text AS broken_id
FROM termination t
WHERE t.state = 'settled'
  AND (
      EXISTS (
          SELECT FROM campaign_fence f
          WHERE f.workspace_id = t.workspace_id AND f.termination_id = t.termination_id AND f.settled_at IS NULL
      )
      OR EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = t.workspace_id AND f.termination_id = t.termination_id
      )
  )
LIMIT $1

-- name: cancelled_calls_have_their_event
SELECT c.call_id::text AS broken_id
FROM call c
WHERE c.status = 'cancelled' AND c.ended_at > statement_timestamp() - interval '1 hour'
  AND NOT EXISTS (
      SELECT FROM outbox_event e
      WHERE e.workspace_id = c.workspace_id AND e.call_id = c.call_id AND e.event_type = 'call_completed'
  )
LIMIT $1
