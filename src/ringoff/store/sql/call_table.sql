-- One campaign's calls in both directions. As in history.sql, ids are found along the indexes by raw status, and what is shown of
-- them is read from call_effective. $1 workspace, $2 campaign, $3 and $4 a range of ids (the first is inside, the second is not).

-- name: newer
SELECT c.call_id
FROM call c
WHERE c.workspace_id = $1 AND c.campaign_id = $2 AND c.call_id >= $3 AND c.call_id < $4
ORDER BY c.call_id
LIMIT $5

-- name: newer_ongoing
SELECT c.call_id
FROM campaign k
JOIN call c ON c.campaign_id = k.campaign_id AND c.status = 'ongoing'
WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND c.call_id >= $3 AND c.call_id < $4
ORDER BY c.call_id
LIMIT $5

-- name: newer_ended
-- $6 one of completed, failed, error.
SELECT found.call_id
FROM campaign k
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.status = $6 AND c.status IN ('completed', 'failed', 'error', 'cancelled')
      AND c.call_id >= $3 AND c.call_id < $4
    ORDER BY c.call_id
    LIMIT $5
) found
WHERE k.workspace_id = $1 AND k.campaign_id = $2
ORDER BY found.call_id

-- name: newer_pending
-- $6 one of registered, retry. A number fence, which is there nearly never, is asked for each row.
SELECT found.call_id
FROM campaign k
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.status = $6 AND c.status IN ('registered', 'retry') AND c.epoch = k.epoch
      AND c.call_id >= $3 AND c.call_id < $4
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
    ORDER BY c.call_id
    LIMIT $5
) found
WHERE k.workspace_id = $1 AND k.campaign_id = $2
ORDER BY found.call_id

-- name: newer_cancelled
-- Written as cancelled, or pending behind a fence that the sweeper has not settled yet.
SELECT found.call_id
FROM campaign k
CROSS JOIN LATERAL (
    (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.status = 'cancelled' AND c.call_id >= $3 AND c.call_id < $4
        ORDER BY c.call_id
        LIMIT $5
    )
    UNION ALL
    SELECT fenced.call_id
    FROM campaign_fence f
    CROSS JOIN (VALUES ('registered'), ('retry')) s (status)
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.status = s.status AND c.status IN ('registered', 'retry') AND c.epoch = f.epoch
          AND c.call_id >= $3 AND c.call_id < $4
        ORDER BY c.call_id
        LIMIT $5
    ) fenced
    WHERE f.workspace_id = $1 AND f.campaign_id = k.campaign_id AND f.settled_at IS NULL AND f.epoch < k.epoch
    UNION ALL
    SELECT c.call_id
    FROM (SELECT DISTINCT n.called_number FROM number_fence n WHERE n.workspace_id = $1) numbers
    -- OFFSET 0: number by number, through the index of numbers, whatever the planner thinks of a young partition.
    CROSS JOIN LATERAL (
        SELECT o.call_id, o.campaign_id, o.epoch, o.called_number, o.registered_xid
        FROM call o
        WHERE o.workspace_id = $1 AND o.called_number = numbers.called_number
          AND o.status IN ('registered', 'retry', 'ongoing') AND o.status <> 'ongoing'
          AND o.call_id >= $3 AND o.call_id < $4
        OFFSET 0
    ) c
    WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch
      AND EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
) found
WHERE k.workspace_id = $1 AND k.campaign_id = $2
ORDER BY found.call_id
LIMIT $5

-- name: look_older
-- Up to $5 calls are looked at, one after the other: which of them may be shown, and the last one that was looked at when there may
-- be more. $6 a sub-status, $7 a number, $8 a status. What is pending behind a fence shows other words than its row has: any such
-- call is given, and judged by what is shown of it.
WITH looked AS MATERIALIZED (
    SELECT c.call_id, c.status, c.sub_status, c.called_number, c.epoch
    FROM call c
    WHERE c.workspace_id = $1 AND c.campaign_id = $2 AND c.call_id >= $3 AND c.call_id < $4
    ORDER BY c.call_id DESC
    LIMIT $5
), fitting AS (
    SELECT l.call_id
    FROM looked l
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = $2
    WHERE ($7::text IS NULL OR l.called_number = $7)
      AND (
          (($6::text IS NULL OR l.sub_status = $6) AND ($8::text IS NULL OR l.status = $8))
          OR (
              l.status IN ('registered', 'retry')
              AND (
                  l.epoch < k.epoch
                  OR EXISTS (SELECT FROM number_fence f WHERE f.workspace_id = $1 AND f.called_number = l.called_number)
              )
          )
      )
    ORDER BY l.call_id DESC
    LIMIT $9
)
SELECT ARRAY(SELECT f.call_id FROM fitting f ORDER BY f.call_id DESC) AS call_ids,
    CASE WHEN (SELECT count(*) FROM looked) = $5 THEN (SELECT l.call_id FROM looked l ORDER BY l.call_id LIMIT 1) END AS stopped_at

-- name: look_newer
-- The same from the oldest on.
WITH looked AS MATERIALIZED (
    SELECT c.call_id, c.status, c.sub_status, c.called_number, c.epoch
    FROM call c
    WHERE c.workspace_id = $1 AND c.campaign_id = $2 AND c.call_id >= $3 AND c.call_id < $4
    ORDER BY c.call_id
    LIMIT $5
), fitting AS (
    SELECT l.call_id
    FROM looked l
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = $2
    WHERE ($7::text IS NULL OR l.called_number = $7)
      AND (
          (($6::text IS NULL OR l.sub_status = $6) AND ($8::text IS NULL OR l.status = $8))
          OR (
              l.status IN ('registered', 'retry')
              AND (
                  l.epoch < k.epoch
                  OR EXISTS (SELECT FROM number_fence f WHERE f.workspace_id = $1 AND f.called_number = l.called_number)
              )
          )
      )
    ORDER BY l.call_id
    LIMIT $9
)
SELECT ARRAY(SELECT f.call_id FROM fitting f ORDER BY f.call_id) AS call_ids,
    CASE WHEN (SELECT count(*) FROM looked) = $5 THEN (SELECT l.call_id FROM looked l ORDER BY l.call_id DESC LIMIT 1) END AS stopped_at
