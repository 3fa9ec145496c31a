-- What dashboards ask every second. Nothing here reads calls that wait or are over: attempts are counted by what the statements of
-- the dial path have noted of them (`attempt_step`), which a loop adds up (`workspace_second`, `campaign_outcome`); what is on the
-- wire is counted in its small indexes.

-- name: fold_steps
-- Any number may run. In the order of keys, so that two of them never wait in a circle.
WITH taken AS (
    DELETE FROM attempt_step d
    WHERE d.ctid = ANY(ARRAY(SELECT s.ctid FROM attempt_step s LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING d.*
), outcomes AS (
    INSERT INTO campaign_outcome AS t (
        workspace_id, campaign_id, width_min, from_at, disposition, attempt_count, answered_count, talk_ms
    )
    SELECT k.workspace_id, k.campaign_id, w.width_min, date_bin(make_interval(mins => w.width_min), k.noted_at, 'epoch'), k.outcome,
        sum(k.attempt_count), sum(k.answered_count), sum(k.talk_ms)
    FROM taken k
    CROSS JOIN (VALUES (1), (60)) AS w (width_min)
    WHERE k.outcome NOT IN ('dialled', 'picked_up')
    GROUP BY 1, 2, 3, 4, 5
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (workspace_id, campaign_id, width_min, from_at, disposition) DO UPDATE
    SET attempt_count = t.attempt_count + excluded.attempt_count,
        answered_count = t.answered_count + excluded.answered_count,
        talk_ms = t.talk_ms + excluded.talk_ms
), seconds AS (
    INSERT INTO workspace_second AS t (workspace_id, from_at, dialled_count, answered_count, failed_count)
    SELECT k.workspace_id, date_trunc('second', k.noted_at),
        coalesce(sum(k.attempt_count) FILTER (WHERE k.outcome = 'dialled'), 0),
        coalesce(sum(k.attempt_count) FILTER (WHERE k.outcome = 'picked_up'), 0),
        coalesce(sum(k.attempt_count - k.answered_count) FILTER (WHERE k.outcome NOT IN ('dialled', 'picked_up', 'cancelled')), 0)
    FROM taken k
    WHERE k.noted_at > statement_timestamp() - interval '15 minutes'
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (workspace_id, from_at) DO UPDATE
    SET dialled_count = t.dialled_count + excluded.dialled_count,
        answered_count = t.answered_count + excluded.answered_count,
        failed_count = t.failed_count + excluded.failed_count
)
SELECT count(*) FROM taken

-- name: rates
-- Seconds from $2 on (with its own), $3 of them at most, the running one at least; both tables in one snapshot, so each step is counted once.
WITH span AS MATERIALIZED (
    SELECT date_trunc('second', statement_timestamp()) AS last_at,
        least(
            date_trunc('second', statement_timestamp()),
            greatest(
                date_trunc('second', coalesce($2::timestamptz, '-infinity')),
                date_trunc('second', statement_timestamp()) - make_interval(secs => $3 - 1)
            )
        ) AS first_at
), noted AS MATERIALIZED (
    SELECT n.from_at, sum(n.dialled_count) AS dialled_count, sum(n.answered_count) AS answered_count,
        sum(n.failed_count) AS failed_count
    FROM (
        SELECT s.from_at, s.dialled_count, s.answered_count, s.failed_count
        FROM workspace_second s
        WHERE s.workspace_id = $1 AND s.from_at >= (SELECT p.first_at FROM span p)
        UNION ALL
        SELECT date_trunc('second', a.noted_at),
            CASE WHEN a.outcome = 'dialled' THEN a.attempt_count ELSE 0 END,
            CASE WHEN a.outcome = 'picked_up' THEN a.attempt_count ELSE 0 END,
            CASE WHEN a.outcome NOT IN ('dialled', 'picked_up', 'cancelled') THEN a.attempt_count - a.answered_count ELSE 0 END
        FROM attempt_step a
        WHERE a.workspace_id = $1 AND a.noted_at >= (SELECT p.first_at FROM span p)
    ) n
    GROUP BY n.from_at
)
SELECT statement_timestamp() AS now, g.from_at, coalesce(n.dialled_count, 0)::bigint AS dialled_count,
    coalesce(n.answered_count, 0)::bigint AS answered_count, coalesce(n.failed_count, 0)::bigint AS failed_count
FROM span p
CROSS JOIN LATERAL generate_series(p.first_at, p.last_at, interval '1 second') AS g (from_at)
LEFT JOIN noted n ON n.from_at = g.from_at
ORDER BY g.from_at

-- name: trunk_loads
SELECT t.trunk_id, t.name, t.driver, t.is_enabled, t.is_up, t.alarm, t.alarm_at, t.cps_max, t.channels_max, t.reduced_cps,
    coalesce(extract(epoch FROM statement_timestamp() - t.reduced_at)::float8, 0) AS reduced_age_s,
    t.silent_count, coalesce(t.silent_until > statement_timestamp(), false) AS is_silent, t.silent_until,
    (
        SELECT count(*)
        FROM dial_attempt a
        WHERE a.workspace_id = t.workspace_id AND a.trunk_id = t.trunk_id
          AND a.state IN ('prepared', 'originated', 'ringing', 'answered')
    ) AS channels_in_use,
    (
        SELECT coalesce(sum(g.grant_count), 0)
        FROM pace_grant g
        WHERE g.workspace_id = t.workspace_id AND g.trunk_id = t.trunk_id
          AND g.granted_at > statement_timestamp() - interval '1 second'
    )::float8 AS cps_now
FROM trunk t
WHERE t.workspace_id = $1
ORDER BY t.created_at, t.trunk_id

-- name: campaigns_by_status
SELECT k.status, count(*) AS campaign_count
FROM campaign k
WHERE k.workspace_id = $1 AND k.kind = 'list' AND k.deleted_at IS NULL
GROUP BY k.status

-- name: started
SELECT k.campaign_id, k.agent_id, k.name, k.status, k.start_at, k.end_at, k.is_tallied
FROM campaign k
WHERE k.workspace_id = $1 AND k.kind = 'list' AND k.status IN ('scheduled', 'ongoing', 'paused') AND k.deleted_at IS NULL

-- name: paused_subscriptions
SELECT s.subscription_id, s.event_type, s.agent_id, s.paused_at, s.alarm
FROM event_subscription s
WHERE s.workspace_id = $1 AND s.paused_at IS NOT NULL
ORDER BY s.paused_at, s.subscription_id

-- name: oldest_undelivered_s
-- From one subscription to the next: each asks the index of its own pending deliveries.
SELECT extract(epoch FROM clock_timestamp() - min(e.created_at))::float8
FROM event_subscription s
CROSS JOIN LATERAL (
    SELECT d.event_id
    FROM webhook_delivery d
    WHERE d.workspace_id = s.workspace_id AND d.subscription_id = s.subscription_id AND d.state = 'pending'
    ORDER BY d.event_id
    LIMIT 1
) o
JOIN outbox_event e ON e.workspace_id = s.workspace_id AND e.event_id = o.event_id
WHERE s.workspace_id = $1

-- name: server
SELECT current_setting('server_version') AS version, current_setting('cluster_name') AS cluster_name

-- name: progress_of_campaign
SELECT statement_timestamp() AS now, k.has_outcomes,
    (
        SELECT count(*)
        FROM campaign o
        WHERE o.workspace_id = k.workspace_id AND o.trunk_id = k.trunk_id AND o.status IN ('scheduled', 'ongoing', 'paused')
          AND o.status = 'ongoing' AND o.kind = 'list'
    ) AS sharing_count
FROM campaign k
WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.kind = 'list' AND k.deleted_at IS NULL

-- name: outcome_sums
-- By hours, of which there are few.
SELECT t.disposition, sum(t.attempt_count)::bigint AS attempt_count, sum(t.answered_count)::bigint AS answered_count,
    sum(t.talk_ms)::bigint AS talk_ms
FROM (
    SELECT o.disposition, o.attempt_count, o.answered_count, o.talk_ms
    FROM campaign_outcome o
    WHERE o.workspace_id = $1 AND o.campaign_id = $2 AND o.width_min = 60
    UNION ALL
    SELECT s.outcome, s.attempt_count, s.answered_count, s.talk_ms
    FROM attempt_step s
    WHERE s.workspace_id = $1 AND s.campaign_id = $2 AND s.outcome NOT IN ('dialled', 'picked_up')
) t
GROUP BY t.disposition
ORDER BY t.disposition

-- name: outcome_span
SELECT min(t.from_at) AS first_at, max(t.from_at) AS last_at
FROM (
    (
        SELECT o.from_at
        FROM campaign_outcome o
        WHERE o.workspace_id = $1 AND o.campaign_id = $2 AND o.width_min = 1
        ORDER BY o.from_at
        LIMIT 1
    )
    UNION ALL
    (
        SELECT o.from_at
        FROM campaign_outcome o
        WHERE o.workspace_id = $1 AND o.campaign_id = $2 AND o.width_min = 1
        ORDER BY o.from_at DESC
        LIMIT 1
    )
    UNION ALL
    SELECT date_trunc('minute', s.noted_at)
    FROM attempt_step s
    WHERE s.workspace_id = $1 AND s.campaign_id = $2 AND s.outcome NOT IN ('dialled', 'picked_up')
) t

-- name: outcome_hours
-- Minutes that are old are deleted one day; hours stay.
SELECT min(o.from_at) AS first_at, max(o.from_at) AS last_at
FROM campaign_outcome o
WHERE o.workspace_id = $1 AND o.campaign_id = $2 AND o.width_min = 60

-- name: outcome_buckets
-- $3 the rows that are read, by minutes or by hours; $4 how wide a bucket is, in minutes.
SELECT date_bin(make_interval(mins => $4), t.from_at, 'epoch') AS from_at, t.disposition, sum(t.attempt_count)::bigint AS attempt_count
FROM (
    SELECT o.from_at, o.disposition, o.attempt_count
    FROM campaign_outcome o
    WHERE o.workspace_id = $1 AND o.campaign_id = $2 AND o.width_min = $3
    UNION ALL
    SELECT s.noted_at, s.outcome, s.attempt_count
    FROM attempt_step s
    WHERE s.workspace_id = $1 AND s.campaign_id = $2 AND s.outcome NOT IN ('dialled', 'picked_up')
) t
GROUP BY 1, 2
ORDER BY 1, 2

-- name: recent_attempts
-- Of the last $3 minutes and the running one, and since when.
SELECT coalesce(sum(t.attempt_count), 0)::bigint AS attempt_count,
    extract(epoch FROM statement_timestamp() - min(t.from_at))::float8 AS span_s
FROM (
    SELECT o.from_at, o.attempt_count
    FROM campaign_outcome o
    WHERE o.workspace_id = $1 AND o.campaign_id = $2 AND o.width_min = 1
      AND o.from_at >= date_trunc('minute', statement_timestamp()) - make_interval(mins => $3)
    UNION ALL
    SELECT s.noted_at, s.attempt_count
    FROM attempt_step s
    WHERE s.workspace_id = $1 AND s.campaign_id = $2 AND s.outcome NOT IN ('dialled', 'picked_up')
) t
