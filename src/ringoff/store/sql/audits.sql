-- Rules that can only be checked by reading whole tables: `ringoff doctor` and the tests run them, the timer does not.
-- As in invariants.sql, each statement returns at most $1 ids that break its rule; $2 is always null here.

-- name: no_call_is_lost
SELECT k.campaign_id::text AS broken_id
FROM campaign k
WHERE k.kind = 'list' AND $2::timestamptz IS NULL
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
