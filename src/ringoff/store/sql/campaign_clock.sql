-- What the passing of time does to campaigns. Reads raw statuses through the partial indexes: it asks whether rows are
-- pending at the campaign's own epoch, which is what effective status means.

-- name: has_ongoing_calls
SELECT EXISTS (SELECT FROM call c WHERE c.workspace_id = $1 AND c.campaign_id = $2 AND c.status = 'ongoing')

-- name: open_due
WITH due AS (
    SELECT workspace_id, campaign_id
    FROM campaign
    WHERE status = 'scheduled' AND start_at <= coalesce($1::timestamptz, statement_timestamp())
    ORDER BY campaign_id
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE campaign k
SET status = 'ongoing', updated_at = clock_timestamp()
FROM due d
WHERE k.workspace_id = d.workspace_id AND k.campaign_id = d.campaign_id AND k.status = 'scheduled'
RETURNING k.campaign_id

-- name: finish_done
-- A paused one too: with nothing left there is nothing to resume.
WITH done AS (
    SELECT k.workspace_id, k.campaign_id
    FROM campaign k
    LEFT JOIN LATERAL (
        SELECT true AS found
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
        ORDER BY c.next_attempt_at
        LIMIT 1
    ) pending ON true
    LEFT JOIN LATERAL (
        SELECT true AS found FROM call c WHERE c.campaign_id = k.campaign_id AND c.status = 'ongoing' LIMIT 1
    ) ongoing ON true
    WHERE k.kind = 'list' AND k.status IN ('ongoing', 'paused') AND pending.found IS NULL AND ongoing.found IS NULL
    ORDER BY k.campaign_id
    FOR NO KEY UPDATE OF k SKIP LOCKED
)
UPDATE campaign k
SET status = 'completed', updated_at = clock_timestamp()
FROM done d
WHERE k.workspace_id = d.workspace_id AND k.campaign_id = d.campaign_id AND k.status IN ('ongoing', 'paused')
RETURNING k.campaign_id

-- name: past_end
SELECT k.workspace_id, k.campaign_id
FROM campaign k
CROSS JOIN LATERAL (
    SELECT FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
    ORDER BY c.next_attempt_at
    LIMIT 1
) pending
WHERE k.kind = 'list' AND k.status IN ('scheduled', 'ongoing', 'paused')
  AND k.end_at <= coalesce($1::timestamptz, statement_timestamp())
ORDER BY k.campaign_id

-- name: last_due
-- From the end of the due index: when the last of what waits at the campaign's own epoch is due.
SELECT c.next_attempt_at
FROM campaign k
CROSS JOIN LATERAL (
    SELECT c.next_attempt_at
    FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
    ORDER BY c.next_attempt_at DESC
    LIMIT 1
) c
WHERE k.workspace_id = $1 AND k.campaign_id = $2
