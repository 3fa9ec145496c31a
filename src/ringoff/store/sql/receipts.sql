-- Receipts of orders, and the answers that an Idempotency-Key brings back.

-- name: receipt
SELECT t.termination_id, t.level, t.selector, t.reason, t.ongoing, t.suppress, t.state, t.created_at, t.settled_at,
    t.cancelled_count, t.left_ongoing_count, t.retry_barred_count, t.hung_up_count, t.suppressed_count,
    t.api_key_id, k.name AS api_key_name, k.prefix AS api_key_prefix
FROM termination t
LEFT JOIN api_key k ON k.workspace_id = t.workspace_id AND k.api_key_id = t.api_key_id
WHERE t.workspace_id = $1 AND t.termination_id = $2

-- name: receipts
-- Newest first, along the primary key: $2 and $3 a range of ids (the first is inside, the second is not), $4 a state, $5 a level,
-- $6 a text as it is, $7 a part and $8 a beginning as patterns; all three are null together. Orders are few beside calls.
SELECT t.termination_id, t.level, t.selector, t.reason, t.ongoing, t.suppress, t.state, t.created_at, t.settled_at,
    t.cancelled_count, t.left_ongoing_count, t.retry_barred_count, t.hung_up_count, t.suppressed_count,
    t.api_key_id, k.name AS api_key_name, k.prefix AS api_key_prefix
FROM termination t
LEFT JOIN api_key k ON k.workspace_id = t.workspace_id AND k.api_key_id = t.api_key_id
WHERE t.workspace_id = $1 AND t.termination_id >= $2 AND t.termination_id < $3
  AND ($4::text IS NULL OR t.state = $4) AND ($5::text IS NULL OR t.level = $5)
  AND (
      $6::text IS NULL
      OR t.termination_id::text LIKE $8
      OR t.reason ILIKE $7
      OR k.name ILIKE $7
      OR t.selector ->> 'campaign_id' LIKE $8
      OR t.selector ->> 'agent_id' LIKE $8
      OR t.selector -> 'mobile_numbers' ? $6
      OR t.selector -> 'call_ids' ? lower($6)
      OR EXISTS (
          SELECT FROM campaign c
          WHERE c.workspace_id = $1 AND c.campaign_id = (t.selector ->> 'campaign_id')::uuid AND c.name ILIKE $7
      )
      OR EXISTS (
          SELECT FROM agent a
          WHERE a.workspace_id = $1 AND a.agent_id = (t.selector ->> 'agent_id')::uuid AND a.display_name ILIKE $7
      )
  )
ORDER BY t.termination_id DESC
LIMIT $9

-- name: scope_names
-- Also of what was deleted or archived since: receipts outlive both.
SELECT campaign_id AS scope_id, name FROM campaign WHERE workspace_id = $1 AND campaign_id = ANY($2::uuid[])
UNION ALL
SELECT agent_id, display_name FROM agent WHERE workspace_id = $1 AND agent_id = ANY($3::uuid[])

-- name: claim_idempotency_key
-- A row is the right to give this order. Whoever comes second waits here for the first to commit or to roll back. A key that is
-- older than 24 hours is as good as new.
INSERT INTO idempotency_key AS i (workspace_id, idempotency_key, fingerprint)
VALUES ($1, $2, $3)
ON CONFLICT (workspace_id, idempotency_key) DO UPDATE
SET fingerprint = EXCLUDED.fingerprint, termination_id = NULL, answer = NULL, created_at = clock_timestamp()
WHERE i.created_at < clock_timestamp() - make_interval(hours => $4)
RETURNING true

-- name: kept_answer
SELECT fingerprint, termination_id, answer
FROM idempotency_key
WHERE workspace_id = $1 AND idempotency_key = $2

-- name: keep_answer
UPDATE idempotency_key SET termination_id = $3, answer = $4 WHERE workspace_id = $1 AND idempotency_key = $2
