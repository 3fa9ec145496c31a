-- How many calls a campaign has in each status, without reading them. Nothing here is ever decremented: each statement that moves
-- calls adds one small row of what has happened (`tally_step`), in its own transaction; a loop adds those up into one row for
-- each campaign and epoch (`campaign_tally`). Their sum is exact at every instant.
-- What is on the wire is counted where it is, in the index of ongoing calls; so it is read here by raw status. The rest of a
-- past epoch is behind its fence: cancelled for every reader.

-- name: counts
WITH sums AS MATERIALIZED (
    SELECT t.campaign_id, t.epoch, sum(t.registered_count) AS registered_count, sum(t.begun_count) AS begun_count,
        sum(t.completed_count) AS completed_count, sum(t.failed_count) AS failed_count, sum(t.error_count) AS error_count,
        sum(t.cancelled_count) AS cancelled_count
    FROM (
        SELECT campaign_id, epoch, registered_count, begun_count, completed_count, failed_count, error_count, cancelled_count
        FROM campaign_tally
        WHERE workspace_id = $1 AND campaign_id = ANY($2::uuid[])
        UNION ALL
        SELECT campaign_id, epoch, registered_count, begun_count, completed_count, failed_count, error_count, cancelled_count
        FROM tally_step
        WHERE workspace_id = $1 AND campaign_id = ANY($2::uuid[])
    ) t
    GROUP BY t.campaign_id, t.epoch
)
SELECT
    k.campaign_id,
    sum(w.registered_count)::bigint AS registered,
    sum(w.ongoing_count)::bigint AS ongoing,
    sum(w.waiting_count - w.registered_count - w.fenced_count)::bigint AS retry,
    sum(s.completed_count)::bigint AS completed,
    sum(s.failed_count)::bigint AS failed,
    sum(s.error_count)::bigint AS error,
    sum(s.cancelled_count + w.fenced_count)::bigint AS cancelled
FROM campaign k
JOIN sums s ON s.campaign_id = k.campaign_id
CROSS JOIN LATERAL (
    SELECT count(*) AS ongoing_count
    FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.epoch = s.epoch AND c.status = 'ongoing'
) o
CROSS JOIN LATERAL (
    SELECT s.registered_count - s.completed_count - s.failed_count - s.error_count - s.cancelled_count - o.ongoing_count
        AS waiting_count
) open
CROSS JOIN LATERAL (
    SELECT o.ongoing_count, open.waiting_count,
        CASE WHEN s.epoch = k.epoch THEN s.registered_count - s.begun_count ELSE 0 END AS registered_count,
        CASE WHEN s.epoch = k.epoch THEN 0 ELSE open.waiting_count END AS fenced_count
) w
WHERE k.workspace_id = $1 AND k.campaign_id = ANY($2::uuid[]) AND k.is_tallied
GROUP BY k.campaign_id

-- name: fold
-- Any number may run. In the order of keys, so that two of them never wait in a circle.
WITH taken AS (
    DELETE FROM tally_step d
    WHERE d.ctid = ANY(ARRAY(SELECT s.ctid FROM tally_step s LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING d.*
), folded AS (
    INSERT INTO campaign_tally AS t (
        workspace_id, campaign_id, epoch, registered_count, begun_count, completed_count, failed_count, error_count,
        cancelled_count
    )
    SELECT k.workspace_id, k.campaign_id, k.epoch, sum(k.registered_count), sum(k.begun_count), sum(k.completed_count),
        sum(k.failed_count), sum(k.error_count), sum(k.cancelled_count)
    FROM taken k
    GROUP BY k.workspace_id, k.campaign_id, k.epoch
    ORDER BY k.workspace_id, k.campaign_id, k.epoch
    ON CONFLICT (workspace_id, campaign_id, epoch) DO UPDATE
    SET registered_count = t.registered_count + excluded.registered_count,
        begun_count = t.begun_count + excluded.begun_count,
        completed_count = t.completed_count + excluded.completed_count,
        failed_count = t.failed_count + excluded.failed_count,
        error_count = t.error_count + excluded.error_count,
        cancelled_count = t.cancelled_count + excluded.cancelled_count
)
SELECT count(*) FROM taken

-- name: add_registered
-- New calls of an epoch; a campaign that was registered by an older version keeps being counted call by call.
INSERT INTO tally_step (workspace_id, campaign_id, epoch, registered_count)
SELECT k.workspace_id, k.campaign_id, $3, $4
FROM campaign k
WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.is_tallied
