-- What a scrape of /metrics reads. Nothing here may cost with the number of calls: live attempts come from their partial index,
-- which the channels bound; campaigns are those that are started; counts of calls are sums of steps (tallies.sql).

-- name: drivers
-- Of all tenants, by driver. What congestion left of the pace is the formula of `effective_pace` in domain/pacing.
WITH live AS MATERIALIZED (
    SELECT
        a.workspace_id, a.trunk_id,
        count(*) FILTER (WHERE a.state = 'prepared') AS prepared_count,
        count(*) FILTER (WHERE a.state = 'originated') AS originated_count,
        count(*) FILTER (WHERE a.state = 'ringing') AS ringing_count,
        count(*) FILTER (WHERE a.state = 'answered') AS answered_count,
        count(*) AS live_count
    FROM dial_attempt a
    WHERE a.state IN ('prepared', 'originated', 'ringing', 'answered')
    GROUP BY a.workspace_id, a.trunk_id
), trunks AS (
    SELECT
        t.driver, t.is_enabled, t.channels_max, t.cps_max, t.is_up, l.*, g.grant_count,
        coalesce(t.silent_until > clock_timestamp(), false) AS is_silent,
        least(
            t.cps_max,
            greatest(t.reduced_cps, t.cps_max * $2::float8)
                + t.cps_max * extract(epoch FROM clock_timestamp() - t.reduced_at)::float8 / $1::float8
        ) AS cps_allowed
    FROM trunk t
    LEFT JOIN live l ON l.workspace_id = t.workspace_id AND l.trunk_id = t.trunk_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(p.grant_count), 0) AS grant_count
        FROM pace_grant p
        WHERE p.workspace_id = t.workspace_id AND p.trunk_id = t.trunk_id
          AND p.granted_at > statement_timestamp() - interval '1 second'
    ) g
)
SELECT
    t.driver,
    coalesce(sum(t.prepared_count), 0)::bigint AS prepared,
    coalesce(sum(t.originated_count), 0)::bigint AS originated,
    coalesce(sum(t.ringing_count), 0)::bigint AS ringing,
    coalesce(sum(t.answered_count), 0)::bigint AS answered,
    coalesce(sum(t.channels_max) FILTER (WHERE t.is_enabled), 0)::bigint AS channels_max,
    sum(t.grant_count)::bigint AS cps,
    coalesce(sum(t.cps_max) FILTER (WHERE t.is_enabled), 0) AS cps_max,
    coalesce(sum(CASE WHEN t.is_silent THEN 0 ELSE t.cps_allowed END) FILTER (WHERE t.is_enabled), 0) AS cps_allowed,
    count(*) FILTER (WHERE t.is_enabled) AS enabled,
    count(*) FILTER (WHERE NOT t.is_enabled) AS stopped,
    count(*) FILTER (WHERE t.is_enabled AND t.is_up IS FALSE) AS down,
    count(*) FILTER (WHERE t.is_enabled AND t.is_silent) AS silent,
    count(*) FILTER (WHERE t.is_enabled AND t.cps_allowed < t.cps_max) AS slowed,
    count(*) FILTER (WHERE t.is_enabled AND t.live_count >= t.channels_max) AS full
FROM trunks t
GROUP BY t.driver
ORDER BY t.driver

-- name: started
WITH started AS MATERIALIZED (
    SELECT k.workspace_id, k.campaign_id, k.epoch, k.status, k.is_tallied
    FROM campaign k
    WHERE k.status IN ('scheduled', 'ongoing', 'paused') AND k.kind = 'list'
), steps AS (
    SELECT t.registered_count - t.completed_count - t.failed_count - t.error_count - t.cancelled_count AS open_count
    FROM started s
    JOIN campaign_tally t ON t.workspace_id = s.workspace_id AND t.campaign_id = s.campaign_id AND t.epoch = s.epoch
    WHERE s.is_tallied
    UNION ALL
    SELECT t.registered_count - t.completed_count - t.failed_count - t.error_count - t.cancelled_count AS open_count
    FROM started s
    JOIN tally_step t ON t.workspace_id = s.workspace_id AND t.campaign_id = s.campaign_id AND t.epoch = s.epoch
    WHERE s.is_tallied
)
SELECT
    (SELECT count(*) FROM started s WHERE s.status = 'scheduled') AS scheduled,
    (SELECT count(*) FROM started s WHERE s.status = 'ongoing') AS ongoing,
    (SELECT count(*) FROM started s WHERE s.status = 'paused') AS paused,
    (SELECT coalesce(sum(p.open_count), 0)::bigint FROM steps p) AS calls_open

-- name: backlog
SELECT
    t.settling_count, coalesce(t.oldest_s, 0) AS settling_oldest_s,
    (
        SELECT coalesce(extract(epoch FROM clock_timestamp() - min(e.created_at)), 0)::float8 FROM outbox_event e
    ) AS outbox_oldest_s,
    (SELECT count(*) FROM event_subscription s WHERE s.paused_at IS NOT NULL) AS webhooks_paused_count
FROM (
    SELECT count(*) AS settling_count, extract(epoch FROM clock_timestamp() - min(o.created_at))::float8 AS oldest_s
    FROM termination o
    WHERE o.state = 'settling'
) t
