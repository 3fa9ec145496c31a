-- Which calls an order would cover, and which it has covered. These statements find rows through the partial indexes by raw
-- status, and judge fences themselves; what is shown of a call is read from call_effective.

-- name: tallied_in_scope
-- $2 a campaign, $3 an agent; one of them is given. Campaigns whose calls nobody has to count: see tallies.sql.
SELECT k.campaign_id, k.kind, k.name AS campaign_name, k.agent_id, a.display_name AS agent_name
FROM campaign k
JOIN agent a ON a.workspace_id = k.workspace_id AND a.agent_id = k.agent_id
WHERE k.workspace_id = $1 AND k.is_tallied
  AND ($2::uuid IS NULL OR (k.campaign_id = $2 AND k.kind = 'list'))
  AND ($3::uuid IS NULL OR k.agent_id = $3)

-- name: open_by_campaign
-- The others: individual calls, and what an older version has registered. All pending calls are counted in call_due, those in
-- retry once more in their own small index.
SELECT k.campaign_id, k.kind, k.name AS campaign_name, k.agent_id, a.display_name AS agent_name,
    pending.count - retry.count AS registered_count, retry.count AS retry_count, ongoing.count AS ongoing_count
FROM campaign k
JOIN agent a ON a.workspace_id = k.workspace_id AND a.agent_id = k.agent_id
CROSS JOIN LATERAL (
    SELECT count(*) FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
) pending
CROSS JOIN LATERAL (
    SELECT count(*) FROM call c WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status = 'retry'
) retry
CROSS JOIN LATERAL (
    SELECT count(*) FROM call c WHERE c.campaign_id = k.campaign_id AND c.status = 'ongoing'
) ongoing
WHERE k.workspace_id = $1 AND NOT k.is_tallied
  AND ($2::uuid IS NULL OR (k.campaign_id = $2 AND k.kind = 'list'))
  AND ($3::uuid IS NULL OR k.agent_id = $3)

-- name: behind_number_fences
-- Pending calls that an unsettled order by numbers has ended already: they come off the counts above. Nearly always none.
SELECT k.campaign_id,
    count(*) FILTER (WHERE c.status = 'registered') AS registered_count,
    count(*) FILTER (WHERE c.status = 'retry') AS retry_count
FROM (SELECT DISTINCT n.called_number FROM number_fence n WHERE n.workspace_id = $1) fenced
JOIN call c ON c.workspace_id = $1 AND c.called_number = fenced.called_number
  AND c.status IN ('registered', 'retry', 'ongoing')
JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = c.campaign_id
WHERE c.status IN ('registered', 'retry') AND c.epoch = k.epoch
  AND ($2::uuid IS NULL OR (k.campaign_id = $2 AND k.kind = 'list'))
  AND ($3::uuid IS NULL OR k.agent_id = $3)
  AND EXISTS (
      SELECT FROM number_fence f
      WHERE f.workspace_id = $1 AND f.called_number = c.called_number
        AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
        AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
  )
GROUP BY k.campaign_id

-- name: open_by_rows
-- $2 call ids, $3 numbers; at least one of them is given.
SELECT k.campaign_id, k.kind, k.name AS campaign_name, k.agent_id, a.display_name AS agent_name,
    count(*) FILTER (WHERE c.status = 'registered') AS registered_count,
    count(*) FILTER (WHERE c.status = 'retry') AS retry_count,
    count(*) FILTER (WHERE c.status = 'ongoing') AS ongoing_count
FROM call c
JOIN campaign k ON k.workspace_id = c.workspace_id AND k.campaign_id = c.campaign_id
JOIN agent a ON a.workspace_id = k.workspace_id AND a.agent_id = k.agent_id
WHERE c.workspace_id = $1 AND c.status IN ('registered', 'retry', 'ongoing')
  AND ($2::uuid[] IS NULL OR c.call_id = ANY($2))
  AND ($3::text[] IS NULL OR c.called_number = ANY($3))
  AND ($4::uuid IS NULL OR (k.campaign_id = $4 AND k.kind = 'list'))
  AND ($5::uuid IS NULL OR k.agent_id = $5)
  AND (
      c.status = 'ongoing'
      OR (c.epoch = k.epoch
          AND NOT EXISTS (
              SELECT FROM number_fence f
              WHERE f.workspace_id = $1 AND f.called_number = c.called_number
                AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
                AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
          ))
  )
GROUP BY k.campaign_id, k.kind, k.name, k.agent_id, a.display_name

-- name: sample_by_campaign
SELECT s.call_id
FROM campaign k
CROSS JOIN LATERAL (
    (
        SELECT c.call_id
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
          AND NOT EXISTS (
              SELECT FROM number_fence f
              WHERE f.workspace_id = $1 AND f.called_number = c.called_number
                AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
                AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
          )
        ORDER BY c.next_attempt_at
        LIMIT $4
    )
    UNION ALL
    (
        SELECT c.call_id FROM call c WHERE c.campaign_id = k.campaign_id AND c.status = 'ongoing' LIMIT $4
    )
) s
WHERE k.workspace_id = $1
  AND ($2::uuid IS NULL OR (k.campaign_id = $2 AND k.kind = 'list'))
  AND ($3::uuid IS NULL OR k.agent_id = $3)
LIMIT $4

-- name: sample_by_rows
SELECT c.call_id
FROM call c
JOIN campaign k ON k.workspace_id = c.workspace_id AND k.campaign_id = c.campaign_id
WHERE c.workspace_id = $1 AND c.status IN ('registered', 'retry', 'ongoing')
  AND ($2::uuid[] IS NULL OR c.call_id = ANY($2))
  AND ($3::text[] IS NULL OR c.called_number = ANY($3))
  AND ($4::uuid IS NULL OR (k.campaign_id = $4 AND k.kind = 'list'))
  AND ($5::uuid IS NULL OR k.agent_id = $5)
  AND (
      c.status = 'ongoing'
      OR (c.epoch = k.epoch
          AND NOT EXISTS (
              SELECT FROM number_fence f
              WHERE f.workspace_id = $1 AND f.called_number = c.called_number
                AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
                AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
          ))
  )
LIMIT $6

-- name: steer
-- The ids of a page come in the order of an index, from one partition after the other. Where nothing was terminated when somebody last
-- looked, a sort looks as cheap, and would read all that an order has ended there since.
SELECT set_config('enable_sort', 'off', true)

-- name: covered_settled
-- A page of what the order has settled, by call id.
SELECT c.call_id
FROM call c
WHERE c.workspace_id = $1 AND c.termination_id = $2 AND c.call_id > $3
ORDER BY c.call_id
LIMIT $4

-- name: covered_unsettled
-- What still waits for the sweeper, up to the end of the settled page ($4), so that no more is read than one page shows. Calls
-- on the wire that the sweeper will bar are on the page too: it would be past them by the time they are marked.
SELECT v.call_id
FROM (
    SELECT c.call_id, c.is_on_the_wire, NULL::uuid AS only_campaign_id, NULL::uuid AS only_agent_id
    FROM campaign_fence f
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = f.campaign_id
    CROSS JOIN LATERAL (
        SELECT o.call_id, o.status = 'ongoing' AS is_on_the_wire
        FROM call o
        WHERE o.workspace_id = $1 AND o.campaign_id = f.campaign_id AND o.epoch = f.epoch
          AND (o.status IN ('registered', 'retry') OR (o.status = 'ongoing' AND NOT o.retry_barred))
          AND o.call_id > $3 AND ($4::uuid IS NULL OR o.call_id <= $4)
          -- Judged before the limit: calls of an older order by numbers must not use up the page.
          AND NOT EXISTS (
              SELECT FROM number_fence n
              WHERE n.workspace_id = $1 AND n.called_number = o.called_number AND n.raised_at < f.raised_at
                AND o.status IN ('registered', 'retry')
                AND (n.campaign_id IS NULL OR n.campaign_id = k.campaign_id) AND (n.agent_id IS NULL OR n.agent_id = k.agent_id)
                AND pg_visible_in_snapshot(o.registered_xid, n.registered_in)
          )
        ORDER BY o.call_id
        LIMIT $5
    ) c
    WHERE f.workspace_id = $1 AND f.termination_id = $2 AND f.settled_at IS NULL
    UNION ALL
    SELECT c.call_id, c.is_on_the_wire, f.campaign_id, f.agent_id
    FROM number_fence f
    CROSS JOIN LATERAL (
        SELECT o.call_id,
            o.status = 'ongoing' AND NOT o.retry_barred AND pg_visible_in_snapshot(o.registered_xid, f.registered_in)
                AS is_on_the_wire
        FROM call o
        WHERE o.workspace_id = $1 AND o.called_number = f.called_number AND o.status IN ('registered', 'retry', 'ongoing')
          AND o.call_id > $3 AND ($4::uuid IS NULL OR o.call_id <= $4)
    ) c
    WHERE f.workspace_id = $1 AND f.termination_id = $2
) candidate
JOIN call_effective v ON v.workspace_id = $1 AND v.call_id = candidate.call_id
WHERE v.termination_id = $2
   OR (candidate.is_on_the_wire
       AND (candidate.only_campaign_id IS NULL OR candidate.only_campaign_id = v.campaign_id)
       AND (candidate.only_agent_id IS NULL OR candidate.only_agent_id = v.agent_id))
ORDER BY v.call_id
LIMIT $5

-- name: shown
SELECT v.call_id, v.campaign_id, v.kind = 'individual' AS is_individual, v.agent_id, v.called_number, v.status, v.sub_status,
    v.created_at, v.ended_at
FROM call_effective v
WHERE v.workspace_id = $1 AND v.call_id = ANY($2::uuid[])
ORDER BY v.call_id

-- name: individual_call_shows
-- Whether an individual call that waits, or may come back from the wire, shows this number. As dear as what is pending; what a
-- fence of numbers has ended counts until it is settled.
SELECT EXISTS (
    SELECT FROM campaign k
    JOIN call c ON c.campaign_id = k.campaign_id AND c.epoch = k.epoch
    WHERE k.workspace_id = $1 AND k.kind = 'individual' AND c.status IN ('registered', 'retry') AND c.calling_number = $2
) OR EXISTS (
    SELECT FROM campaign k
    JOIN call c ON c.campaign_id = k.campaign_id AND c.epoch = k.epoch
    WHERE k.workspace_id = $1 AND k.kind = 'individual' AND c.status = 'ongoing' AND c.calling_number = $2
)

-- name: pool_shows
-- Who may still show a number of this pool: a list that is started and not done, whatever more states there may be, or an
-- individual call, as above. The order of due times keeps the look for a waiting call in its index.
(
    SELECT 'campaign ' || quote_literal(k.name) AS who
    FROM campaign k
    WHERE k.workspace_id = $1 AND k.number_pool_id = $2 AND k.kind = 'list'
      AND k.status NOT IN ('draft', 'completed', 'terminated')
    ORDER BY k.campaign_id
    LIMIT 1
)
UNION ALL
SELECT 'an individual call'
FROM campaign k
CROSS JOIN LATERAL (
    SELECT FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
    ORDER BY c.next_attempt_at
    LIMIT 1
) waiting
WHERE k.workspace_id = $1 AND k.number_pool_id = $2 AND k.kind = 'individual'
UNION ALL
SELECT 'an individual call'
FROM campaign k
JOIN call c ON c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status = 'ongoing'
WHERE k.workspace_id = $1 AND k.number_pool_id = $2 AND k.kind = 'individual'
LIMIT 1
