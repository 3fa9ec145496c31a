-- name: are_kept
SELECT to_regclass('campaign_share') IS NOT NULL

-- name: ongoing
SELECT s.campaign_id, s.weight, s.concurrency_percentage
FROM campaign k
JOIN campaign_share s ON s.workspace_id = k.workspace_id AND s.campaign_id = k.campaign_id
WHERE k.status = 'ongoing'

-- name: shares
SELECT campaign_id, weight, concurrency_percentage
FROM campaign_share
WHERE workspace_id = $1 AND campaign_id = ANY ($2::uuid[])

-- name: change
-- What is not given stays, or begins as the default ($5, $6).
INSERT INTO campaign_share AS s (workspace_id, campaign_id, weight, concurrency_percentage)
VALUES ($1, $2, coalesce($3::smallint, $5::smallint), coalesce($4::float8, $6::float8))
ON CONFLICT (workspace_id, campaign_id)
    DO UPDATE SET
        weight = coalesce($3, s.weight),
        concurrency_percentage = coalesce($4, s.concurrency_percentage)
RETURNING s.weight, s.concurrency_percentage

-- name: live
-- Reads dial_attempt_live, as the count of the whole trunk does.
SELECT campaign_id, count(*) AS live_count
FROM dial_attempt
WHERE workspace_id = $1 AND trunk_id = $2 AND state IN ('prepared', 'originated', 'ringing', 'answered')
GROUP BY campaign_id
