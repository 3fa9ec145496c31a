-- Rules that can only be checked by reading whole tables: `ringoff doctor` and the tests run them, the timer does not.
-- As in invariants.sql, each statement returns at most $1 ids that break its rule; $2 is always null here. $3 is since when everything
-- was kept: sums of older campaigns outlive their calls.

-- name: no_call_is_lost
SELECT k.campaign_id::text AS broken_id
FROM campaign k
WHERE k.kind = 'list' AND $2::timestamptz IS NULL AND k.created_at >= $3
  AND k.total_count <> (
      SELECT count(*) FROM call c WHERE c.workspace_id = k.workspace_id AND c.campaign_id = k.campaign_id
  )
LIMIT $1

-- name: terminated_call_has_its_order
SELECT c.call_id::text AS broken_id
FROM call c
WHERE c.termination_id IS NOT NULL AND $2::timestamptz IS NULL
  AND NOT EXISTS (
      SELECT FROM termination t WHERE t.workspace_id = c.workspace_id AND t.termination_id = c.termination_id
  )
LIMIT $1

-- name: tallies_agree_with_the_calls
WITH told AS (
    SELECT t.workspace_id, t.campaign_id, t.epoch, sum(t.registered_count) AS registered_count,
        sum(t.begun_count) AS begun_count, sum(t.completed_count) AS completed_count, sum(t.failed_count) AS failed_count,
        sum(t.error_count) AS error_count, sum(t.cancelled_count) AS cancelled_count
    FROM (SELECT * FROM campaign_tally UNION ALL SELECT * FROM tally_step) t
    GROUP BY t.workspace_id, t.campaign_id, t.epoch
), counted AS (
    SELECT c.workspace_id, c.campaign_id, c.epoch, count(*) AS registered_count,
        count(*) FILTER (WHERE c.status <> 'registered') AS begun_count,
        count(*) FILTER (WHERE c.status = 'completed') AS completed_count,
        count(*) FILTER (WHERE c.status = 'failed') AS failed_count,
        count(*) FILTER (WHERE c.status = 'error') AS error_count,
        count(*) FILTER (WHERE c.status = 'cancelled') AS cancelled_count
    FROM call c
    GROUP BY c.workspace_id, c.campaign_id, c.epoch
)
SELECT campaign_id::text || ' epoch ' || epoch AS broken_id
FROM told t
FULL JOIN counted c USING (workspace_id, campaign_id, epoch)
WHERE $2::timestamptz IS NULL
  AND EXISTS (
      SELECT FROM campaign k
      WHERE k.campaign_id = coalesce(t.campaign_id, c.campaign_id)
        AND k.workspace_id = coalesce(t.workspace_id, c.workspace_id) AND k.is_tallied AND k.created_at >= $3
  )
  AND (t.registered_count, t.begun_count, t.completed_count, t.failed_count, t.error_count, t.cancelled_count)
    IS DISTINCT FROM
    (c.registered_count, c.begun_count, c.completed_count, c.failed_count, c.error_count, c.cancelled_count)
LIMIT $1

-- name: outcomes_agree_with_the_attempts
WITH told AS (
    SELECT t.campaign_id, t.disposition, sum(t.attempt_count) AS attempt_count, sum(t.answered_count) AS answered_count
    FROM (
        SELECT campaign_id, disposition, attempt_count, answered_count FROM campaign_outcome WHERE width_min = 60
        UNION ALL
        SELECT campaign_id, outcome, attempt_count, answered_count FROM attempt_step WHERE outcome NOT IN ('dialled', 'picked_up')
    ) t
    GROUP BY t.campaign_id, t.disposition
), counted AS (
    SELECT a.campaign_id, a.disposition, count(*) AS attempt_count, count(a.answered_at) AS answered_count
    FROM dial_attempt a
    WHERE a.disposition IS NOT NULL
    GROUP BY a.campaign_id, a.disposition
)
SELECT campaign_id::text || ' ' || disposition AS broken_id
FROM told t
FULL JOIN counted c USING (campaign_id, disposition)
WHERE $2::timestamptz IS NULL
  AND EXISTS (SELECT FROM campaign k WHERE k.campaign_id = coalesce(t.campaign_id, c.campaign_id) AND k.has_outcomes AND k.created_at >= $3)
  AND (t.attempt_count, t.answered_count) IS DISTINCT FROM (c.attempt_count, c.answered_count)
LIMIT $1
