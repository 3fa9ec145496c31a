-- Which calls a filter matches, newest first, and how many. A page must cost a page among ten million calls, so these statements
-- walk the indexes by raw status, and judge fences as the view does; what is shown of a call is read from call_effective.
--
-- Of pages: $2 and $3 a range of ids (the first is inside, the second is not), $4 agents, $5 a list campaign, $6 limit, $7 offset.
-- Several campaigns are merged in three steps. Only as many campaigns as rows are wanted can have one of the newest rows. An eighth of
-- the page from each of them gives a bound that the page is not below. Above the bound there are hardly more rows than the page has.

-- name: steer
-- Rows come in the order of an index, one campaign after the other. A plan that sorts or hashes reads everything first, and looks
-- cheap to a planner whose statistics are from before the last upload.
SELECT set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_seqscan', 'off', true), set_config('statement_timeout', $1, true)

-- name: limit_time
SELECT set_config('statement_timeout', $1, true)

-- name: has_number_fences
SELECT EXISTS (SELECT FROM number_fence f WHERE f.workspace_id = $1)

-- name: ids_of_workspace
SELECT c.call_id
FROM call c
WHERE c.workspace_id = $1 AND c.call_id >= $2 AND c.call_id < $3
ORDER BY c.call_id DESC
LIMIT $4 OFFSET $5

-- name: ids_of_campaigns
WITH mine AS MATERIALIZED (
    SELECT k.campaign_id
    FROM campaign k
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.workspace_id = $1 AND c.campaign_id = k.campaign_id
          AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT 1
    ) newest
    WHERE k.workspace_id = $1 AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
    ORDER BY newest.call_id DESC
    LIMIT $6::bigint + $7::bigint
), part AS MATERIALIZED (
    SELECT found.call_id
    FROM mine m
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.workspace_id = $1 AND c.campaign_id = m.campaign_id
          AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT ($6::bigint + $7::bigint) / 8 + 1
    ) found
    ORDER BY found.call_id DESC
    LIMIT $6::bigint + $7::bigint
), bound AS MATERIALIZED (
    SELECT coalesce((SELECT p.call_id FROM part p ORDER BY p.call_id DESC LIMIT 1 OFFSET $6::bigint + $7::bigint - 1), $2) AS call_id
)
SELECT found.call_id
FROM mine m
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.workspace_id = $1 AND c.campaign_id = m.campaign_id
      AND c.call_id >= (SELECT b.call_id FROM bound b) AND c.call_id < $3
    ORDER BY c.call_id DESC
    LIMIT $6::bigint + $7::bigint
) found
ORDER BY found.call_id DESC
LIMIT $6 OFFSET $7

-- name: ids_ended
-- $8 one of completed, failed, error; of the cancelled ones, those that are written so.
WITH mine AS MATERIALIZED (
    SELECT k.campaign_id
    FROM campaign k
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.status = $8 AND c.status IN ('completed', 'failed', 'error', 'cancelled')
          AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT 1
    ) newest
    WHERE k.workspace_id = $1 AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
    ORDER BY newest.call_id DESC
    LIMIT $6::bigint + $7::bigint
), part AS MATERIALIZED (
    SELECT found.call_id
    FROM mine m
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = m.campaign_id AND c.status = $8 AND c.status IN ('completed', 'failed', 'error', 'cancelled')
          AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT ($6::bigint + $7::bigint) / 8 + 1
    ) found
    ORDER BY found.call_id DESC
    LIMIT $6::bigint + $7::bigint
), bound AS MATERIALIZED (
    SELECT coalesce((SELECT p.call_id FROM part p ORDER BY p.call_id DESC LIMIT 1 OFFSET $6::bigint + $7::bigint - 1), $2) AS call_id
)
SELECT found.call_id
FROM mine m
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = m.campaign_id AND c.status = $8 AND c.status IN ('completed', 'failed', 'error', 'cancelled')
      AND c.call_id >= (SELECT b.call_id FROM bound b) AND c.call_id < $3
    ORDER BY c.call_id DESC
    LIMIT $6::bigint + $7::bigint
) found
ORDER BY found.call_id DESC
LIMIT $6 OFFSET $7

-- name: ids_pending
-- $8 one of registered, retry, at the campaign's own epoch, in a workspace without a number fence: the index is enough.
WITH mine AS MATERIALIZED (
    SELECT k.campaign_id, k.epoch
    FROM campaign k
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.status = $8 AND c.status IN ('registered', 'retry') AND c.epoch = k.epoch
          AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT 1
    ) newest
    WHERE k.workspace_id = $1 AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
    ORDER BY newest.call_id DESC
    LIMIT $6::bigint + $7::bigint
), part AS MATERIALIZED (
    SELECT found.call_id
    FROM mine m
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = m.campaign_id AND c.status = $8 AND c.status IN ('registered', 'retry') AND c.epoch = m.epoch
          AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT ($6::bigint + $7::bigint) / 8 + 1
    ) found
    ORDER BY found.call_id DESC
    LIMIT $6::bigint + $7::bigint
), bound AS MATERIALIZED (
    SELECT coalesce((SELECT p.call_id FROM part p ORDER BY p.call_id DESC LIMIT 1 OFFSET $6::bigint + $7::bigint - 1), $2) AS call_id
)
SELECT found.call_id
FROM mine m
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = m.campaign_id AND c.status = $8 AND c.status IN ('registered', 'retry') AND c.epoch = m.epoch
      AND c.call_id >= (SELECT b.call_id FROM bound b) AND c.call_id < $3
    ORDER BY c.call_id DESC
    LIMIT $6::bigint + $7::bigint
) found
ORDER BY found.call_id DESC
LIMIT $6 OFFSET $7

-- name: ids_pending_beside_fences
-- The same where a number fence is not settled: it is asked for each row.
WITH mine AS MATERIALIZED (
    SELECT k.campaign_id, k.agent_id, k.epoch
    FROM campaign k
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.status = $8 AND c.status IN ('registered', 'retry') AND c.epoch = k.epoch
          AND c.call_id >= $2 AND c.call_id < $3
          AND NOT EXISTS (
              SELECT FROM number_fence f
              WHERE f.workspace_id = $1 AND f.called_number = c.called_number
                AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
                AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
          )
        ORDER BY c.call_id DESC
        LIMIT 1
    ) newest
    WHERE k.workspace_id = $1 AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
    ORDER BY newest.call_id DESC
    LIMIT $6::bigint + $7::bigint
), part AS MATERIALIZED (
    SELECT found.call_id
    FROM mine m
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = m.campaign_id AND c.status = $8 AND c.status IN ('registered', 'retry') AND c.epoch = m.epoch
          AND c.call_id >= $2 AND c.call_id < $3
          AND NOT EXISTS (
              SELECT FROM number_fence f
              WHERE f.workspace_id = $1 AND f.called_number = c.called_number
                AND (f.campaign_id IS NULL OR f.campaign_id = m.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = m.agent_id)
                AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
          )
        ORDER BY c.call_id DESC
        LIMIT ($6::bigint + $7::bigint) / 8 + 1
    ) found
    ORDER BY found.call_id DESC
    LIMIT $6::bigint + $7::bigint
), bound AS MATERIALIZED (
    SELECT coalesce((SELECT p.call_id FROM part p ORDER BY p.call_id DESC LIMIT 1 OFFSET $6::bigint + $7::bigint - 1), $2) AS call_id
)
SELECT found.call_id
FROM mine m
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = m.campaign_id AND c.status = $8 AND c.status IN ('registered', 'retry') AND c.epoch = m.epoch
      AND c.call_id >= (SELECT b.call_id FROM bound b) AND c.call_id < $3
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = c.called_number
        AND (f.campaign_id IS NULL OR f.campaign_id = m.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = m.agent_id)
        AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
    ORDER BY c.call_id DESC
    LIMIT $6::bigint + $7::bigint
) found
ORDER BY found.call_id DESC
LIMIT $6 OFFSET $7

-- name: ids_ongoing
-- As many as there are channels: all of them are read.
SELECT c.call_id
FROM campaign k
JOIN call c ON c.campaign_id = k.campaign_id AND c.status = 'ongoing'
WHERE k.workspace_id = $1 AND c.call_id >= $2 AND c.call_id < $3
  AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
  AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
ORDER BY c.call_id DESC
LIMIT $6 OFFSET $7

-- name: ids_cancelled
-- Written as cancelled, or pending behind a fence that the sweeper has not settled yet.
WITH mine AS MATERIALIZED (
    SELECT k.campaign_id, k.agent_id, k.epoch
    FROM campaign k
    WHERE k.workspace_id = $1 AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
), newest AS MATERIALIZED (
    SELECT m.campaign_id, first.call_id
    FROM mine m
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = m.campaign_id AND c.status = 'cancelled' AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT 1
    ) first
    ORDER BY first.call_id DESC
    LIMIT $6::bigint + $7::bigint
)
SELECT found.call_id
FROM (
    SELECT settled.call_id
    FROM newest n
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = n.campaign_id AND c.status = 'cancelled' AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT $6::bigint + $7::bigint
    ) settled
    UNION ALL
    SELECT fenced.call_id
    FROM mine m
    JOIN campaign_fence f ON f.workspace_id = $1 AND f.campaign_id = m.campaign_id AND f.settled_at IS NULL
    CROSS JOIN (VALUES ('registered'), ('retry')) s (status)
    CROSS JOIN LATERAL (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = m.campaign_id AND c.status = s.status AND c.status IN ('registered', 'retry')
          AND c.epoch = f.epoch AND f.epoch < m.epoch AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT $6::bigint + $7::bigint
    ) fenced
    UNION ALL
    SELECT c.call_id
    FROM (SELECT DISTINCT n.called_number FROM number_fence n WHERE n.workspace_id = $1) numbers
    -- OFFSET 0: number by number, through the index of numbers, whatever the planner thinks of a young partition.
    CROSS JOIN LATERAL (
        SELECT o.call_id, o.campaign_id, o.epoch, o.called_number, o.registered_xid
        FROM call o
        WHERE o.workspace_id = $1 AND o.called_number = numbers.called_number
          AND o.status IN ('registered', 'retry', 'ongoing') AND o.status <> 'ongoing'
          AND o.call_id >= $2 AND o.call_id < $3
        OFFSET 0
    ) c
    JOIN mine m ON m.campaign_id = c.campaign_id AND m.epoch = c.epoch
    WHERE EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = m.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = m.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
) found
ORDER BY found.call_id DESC
LIMIT $6 OFFSET $7

-- Of counts: the same $1 to $5, $6 how far to count. The order matters to nobody but the planner, who takes the index that has it.

-- name: count_workspace
SELECT count(*)
FROM (
    SELECT FROM call c WHERE c.workspace_id = $1 AND c.call_id >= $2 AND c.call_id < $3 ORDER BY c.call_id LIMIT $4
) counted

-- name: count_campaigns
SELECT count(*)
FROM (
    SELECT
    FROM campaign k
    CROSS JOIN LATERAL (
        SELECT
        FROM call c
        WHERE c.workspace_id = $1 AND c.campaign_id = k.campaign_id AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT $6
    ) found
    WHERE k.workspace_id = $1 AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
    LIMIT $6
) counted

-- name: count_ended
-- $7 one of completed, failed, error, cancelled.
SELECT count(*)
FROM (
    SELECT
    FROM campaign k
    CROSS JOIN LATERAL (
        SELECT
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.status = $7 AND c.status IN ('completed', 'failed', 'error', 'cancelled')
          AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT $6
    ) found
    WHERE k.workspace_id = $1 AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
    LIMIT $6
) counted

-- name: count_pending
-- $7 one of registered, retry, in a workspace without a number fence.
SELECT count(*)
FROM (
    SELECT
    FROM campaign k
    CROSS JOIN LATERAL (
        SELECT
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.status = $7 AND c.status IN ('registered', 'retry') AND c.epoch = k.epoch
          AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT $6
    ) found
    WHERE k.workspace_id = $1 AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
    LIMIT $6
) counted

-- name: count_pending_beside_fences
SELECT count(*)
FROM (
    SELECT
    FROM campaign k
    CROSS JOIN LATERAL (
        SELECT
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.status = $7 AND c.status IN ('registered', 'retry') AND c.epoch = k.epoch
          AND c.call_id >= $2 AND c.call_id < $3
          AND NOT EXISTS (
              SELECT FROM number_fence f
              WHERE f.workspace_id = $1 AND f.called_number = c.called_number
                AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
                AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
          )
        ORDER BY c.call_id DESC
        LIMIT $6
    ) found
    WHERE k.workspace_id = $1 AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
    LIMIT $6
) counted

-- name: count_ongoing
SELECT count(*)
FROM (
    SELECT
    FROM campaign k
    JOIN call c ON c.campaign_id = k.campaign_id AND c.status = 'ongoing'
    WHERE k.workspace_id = $1 AND c.call_id >= $2 AND c.call_id < $3
      AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
    LIMIT $6
) counted

-- name: count_fenced
-- Pending rows that are cancelled behind a fence: what count_ended does not see of the cancelled ones.
SELECT count(*)
FROM (
    SELECT
    FROM campaign k
    JOIN campaign_fence f ON f.workspace_id = $1 AND f.campaign_id = k.campaign_id AND f.settled_at IS NULL
        AND f.epoch < k.epoch
    CROSS JOIN (VALUES ('registered'), ('retry')) s (status)
    CROSS JOIN LATERAL (
        SELECT
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.status = s.status AND c.status IN ('registered', 'retry')
          AND c.epoch = f.epoch AND c.call_id >= $2 AND c.call_id < $3
        ORDER BY c.call_id DESC
        LIMIT $6
    ) found
    WHERE k.workspace_id = $1 AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
    UNION ALL
    SELECT
    FROM (SELECT DISTINCT n.called_number FROM number_fence n WHERE n.workspace_id = $1) numbers
    -- OFFSET 0: number by number, through the index of numbers, whatever the planner thinks of a young partition.
    CROSS JOIN LATERAL (
        SELECT o.call_id, o.campaign_id, o.epoch, o.called_number, o.registered_xid
        FROM call o
        WHERE o.workspace_id = $1 AND o.called_number = numbers.called_number
          AND o.status IN ('registered', 'retry', 'ongoing') AND o.status <> 'ongoing'
          AND o.call_id >= $2 AND o.call_id < $3
        OFFSET 0
    ) c
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = c.campaign_id AND k.epoch = c.epoch
    WHERE c.call_id >= $2 AND c.call_id < $3
      AND ($4::uuid[] IS NULL OR k.agent_id = ANY($4))
      AND ($5::uuid IS NULL OR (k.campaign_id = $5 AND k.kind = 'list'))
      AND EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
    LIMIT $6
) counted

-- name: total_of_campaign
-- Kept by upload and restart: exact, and free.
SELECT k.total_count FROM campaign k WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.kind = 'list'

-- name: shown
-- The calling numbers are those that its attempts have shown; of a call that was never dialled, those that it may show.
SELECT v.call_id, v.campaign_id, v.kind = 'individual' AS is_individual, v.agent_id, a.display_name AS agent_name,
    v.called_number,
    coalesce(
        dialled.numbers,
        CASE WHEN v.calling_number IS NULL THEN v.campaign_calling_numbers ELSE ARRAY[v.calling_number] END
    ) AS calling_numbers,
    t.callee_name, t.custom_args, v.status, v.sub_status, v.created_at, v.last_attempt_at, v.next_attempt_at, v.ended_at,
    v.talk_ms, v.voicemail_detected
FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (call_id, position)
-- OFFSET 0: call by call, each in its own partition. Joined, they are estimated without statistics, as PostgreSQL keeps none of a whole
-- partitioned table, and a list that has just been uploaded is read from end to end.
CROSS JOIN LATERAL (
    SELECT * FROM call_effective e WHERE e.workspace_id = $1 AND e.call_id = wanted.call_id OFFSET 0
) v
JOIN agent a ON a.workspace_id = v.workspace_id AND a.agent_id = v.agent_id
CROSS JOIN LATERAL (
    SELECT c.callee_name, c.custom_args
    FROM contact c
    WHERE c.workspace_id = v.workspace_id AND c.campaign_id = v.campaign_id AND c.contact_id = v.contact_id
    OFFSET 0
) t
LEFT JOIN LATERAL (
    SELECT array_agg(d.calling_number ORDER BY d.first_at) AS numbers
    FROM (
        SELECT d.calling_number, min(d.originated_at) AS first_at
        FROM (
            SELECT o.calling_number, o.originated_at
            FROM dial_attempt o
            WHERE o.workspace_id = $1 AND o.call_id = v.call_id AND o.originated_at IS NOT NULL
            OFFSET 0
        ) d
        GROUP BY d.calling_number
    ) d
) dialled ON true
ORDER BY wanted.position

-- Of analytics: $2 agent, $3 list campaign, $4 voicemail.

-- name: calls_by_status
SELECT v.status, count(*) AS count
FROM call_effective v
WHERE v.workspace_id = $1 AND v.call_id >= $5 AND v.call_id < $6
  AND ($2::uuid IS NULL OR v.agent_id = $2)
  AND ($3::uuid IS NULL OR (v.campaign_id = $3 AND v.kind = 'list'))
  AND ($4::boolean IS NULL OR v.voicemail_detected = $4)
GROUP BY v.status

-- name: attempts_by_outcome
-- Attempts that were on the wire. $7 the upper ends of the buckets of talk, in seconds.
SELECT d.calling_number, coalesce(d.disposition, 'live') AS disposition,
    CASE WHEN d.answered_at IS NULL OR d.released_at IS NULL THEN NULL
        ELSE width_bucket(extract(epoch FROM d.released_at - d.answered_at)::float8, $7::float8[]) END AS bucket,
    count(*) AS attempt_count,
    count(d.answered_at) AS answered_count,
    coalesce(sum(extract(epoch FROM d.released_at - d.answered_at)) FILTER (WHERE d.answered_at IS NOT NULL), 0)::float8
        AS talk_s
FROM dial_attempt d
JOIN campaign k ON k.workspace_id = d.workspace_id AND k.campaign_id = d.campaign_id
WHERE d.workspace_id = $1 AND d.attempt_id >= $5 AND d.attempt_id < $6 AND d.originated_at IS NOT NULL
  AND ($2::uuid IS NULL OR k.agent_id = $2)
  AND ($3::uuid IS NULL OR (k.campaign_id = $3 AND k.kind = 'list'))
  AND (
      $4::boolean IS NULL
      OR EXISTS (
          SELECT FROM call_effective v
          WHERE v.workspace_id = $1 AND v.call_id = d.call_id AND v.voicemail_detected = $4
      )
  )
GROUP BY 1, 2, 3
