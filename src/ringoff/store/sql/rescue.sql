-- What becomes of an attempt whose process is gone: the crash rules. Like the statements of dispatch.sql these are writers of a call, so
-- they read the raw status, judge fences themselves, and take row locks in the one order: calls by id, then their attempts.

-- name: expired
-- Candidates only: reconcile looks again under the locks.
SELECT
    a.workspace_id, k.agent_id, a.campaign_id, a.attempt_id, a.call_id, a.owner_id, a.state,
    a.trunk_id, t.driver, t.config AS trunk_config, a.driver_call_id, c.called_number, a.calling_number,
    coalesce(a.originated_at, a.prepared_at) AS sent_at, a.lease_until
FROM (
    SELECT *
    FROM dial_attempt
    WHERE state IN ('prepared', 'originated', 'ringing', 'answered') AND lease_until < clock_timestamp()
    ORDER BY lease_until, attempt_id
    LIMIT $1
) a
JOIN campaign k ON k.workspace_id = a.workspace_id AND k.campaign_id = a.campaign_id
JOIN trunk t ON t.workspace_id = a.workspace_id AND t.trunk_id = a.trunk_id
JOIN call c ON c.workspace_id = a.workspace_id AND c.call_id = a.call_id
ORDER BY a.lease_until, a.attempt_id

-- name: reconcile
-- The crash rules: the fate is unknown, so the call is never dialled again by itself. A conversation that had begun
-- counts as one. A pending call behind a fence is already cancelled for every reader: the sweeper settles it.
-- Runs after lock_for_permit, in a statement of its own: no fence may rise between judging a pending call and commit.
-- Only the lease that was seen is over: one that was renewed meanwhile, if only until a moment ago, is of a process that lives.
WITH input AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $6::timestamptz[]) AS i (workspace_id, attempt_id, call_id, lease_until)
), locked AS MATERIALIZED (
    SELECT c.workspace_id, c.call_id, c.campaign_id, c.status, c.epoch, c.called_number, c.registered_xid, c.retry_barred,
        c.termination_id
    FROM call c
    JOIN input i ON i.workspace_id = c.workspace_id AND i.call_id = c.call_id
    WHERE c.call_id >= $4 AND c.call_id <= $5
    ORDER BY c.call_id
    FOR UPDATE OF c SKIP LOCKED
), over AS (
    UPDATE dial_attempt a
    SET state = 'indeterminate',
        disposition = 'indeterminate',
        released_at = clock_timestamp(),
        cause_text = 'lease expired in state ' || a.state
    FROM input i
    JOIN locked l ON l.workspace_id = i.workspace_id AND l.call_id = i.call_id
    WHERE a.workspace_id = i.workspace_id AND a.attempt_id = i.attempt_id AND a.call_id = i.call_id
      AND a.call_id >= $4 AND a.call_id <= $5
      AND a.state IN ('prepared', 'originated', 'ringing', 'answered') AND a.lease_until < clock_timestamp()
      AND a.lease_until = i.lease_until
    RETURNING a.workspace_id, a.attempt_id, a.call_id, a.answered_at,
        l.status, l.campaign_id, l.epoch, l.called_number, l.registered_xid, l.retry_barred, l.termination_id
), noted AS (
    INSERT INTO attempt_step (workspace_id, campaign_id, outcome, attempt_count, answered_count)
    SELECT o.workspace_id, o.campaign_id, 'indeterminate', count(*), count(o.answered_at)
    FROM over o
    GROUP BY o.workspace_id, o.campaign_id
), judged AS (
    SELECT
        o.*, k.agent_id, k.is_tallied, f.termination_id AS fence_termination_id,
        f.termination_id IS NOT NULL AND NOT o.retry_barred AND o.status = 'ongoing' AS is_newly_barred,
        o.status IN ('registered', 'retry') AND f.termination_id IS NOT NULL AS is_fenced
    FROM over o
    JOIN campaign k ON k.workspace_id = o.workspace_id AND k.campaign_id = o.campaign_id
    LEFT JOIN LATERAL (
        SELECT u.termination_id
        FROM (
            SELECT e.termination_id, e.raised_at
            FROM campaign_fence e
            WHERE e.workspace_id = o.workspace_id AND e.campaign_id = o.campaign_id AND e.epoch = o.epoch
            UNION ALL
            SELECT n.termination_id, n.raised_at
            FROM number_fence n
            WHERE n.workspace_id = o.workspace_id AND n.called_number = o.called_number
              AND (n.campaign_id IS NULL OR n.campaign_id = o.campaign_id) AND (n.agent_id IS NULL OR n.agent_id = k.agent_id)
              AND pg_visible_in_snapshot(o.registered_xid, n.registered_in)
        ) u
        ORDER BY u.raised_at, u.termination_id
        LIMIT 1
    ) f ON true
), settled AS (
    UPDATE call c
    SET status = CASE WHEN j.status = 'ongoing' AND j.answered_at IS NOT NULL THEN 'completed' ELSE 'error' END,
        sub_status = CASE
            WHEN j.status = 'ongoing' AND j.answered_at IS NOT NULL THEN 'RECONCILED_TO_COMPLETED_FROM_ONGOING'
            ELSE 'RECONCILED_TO_ERROR_FROM_' || upper(j.status)
        END,
        next_attempt_at = NULL,
        termination_id = coalesce(j.termination_id, j.fence_termination_id),
        retry_barred = j.retry_barred OR j.is_newly_barred,
        last_attempt_at = coalesce(c.last_attempt_at, clock_timestamp()),
        ended_at = clock_timestamp()
    FROM judged j
    WHERE c.workspace_id = j.workspace_id AND c.call_id = j.call_id AND c.call_id >= $4 AND c.call_id <= $5
      AND j.status IN ('registered', 'retry', 'ongoing') AND NOT j.is_fenced
    RETURNING c.workspace_id, c.call_id, c.campaign_id, c.status, c.sub_status, c.termination_id, j.agent_id, j.attempt_id,
        j.is_newly_barred, j.epoch, j.is_tallied, j.status AS status_before
), tallied AS (
    INSERT INTO tally_step (workspace_id, campaign_id, epoch, begun_count, completed_count, error_count)
    SELECT s.workspace_id, s.campaign_id, s.epoch,
        count(*) FILTER (WHERE s.status_before = 'registered'), count(*) FILTER (WHERE s.status = 'completed'),
        count(*) FILTER (WHERE s.status = 'error')
    FROM settled s
    WHERE s.is_tallied
    GROUP BY s.workspace_id, s.campaign_id, s.epoch
), published AS (
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT
        s.workspace_id, w.event_type, s.call_id,
        jsonb_build_object(
            'campaign_id', s.campaign_id, 'attempt_id', s.attempt_id, 'status', s.status, 'sub_status', s.sub_status,
            'disposition', 'indeterminate', 'talk_ms', 0
        )
    FROM settled s
    CROSS JOIN LATERAL events_of_an_end(s.workspace_id, s.agent_id, s.status) w (event_type)
)
SELECT
    o.attempt_id AS closed_attempt_id, s.workspace_id, s.call_id, s.status, s.sub_status,
    CASE WHEN s.is_newly_barred THEN s.termination_id END AS barred_by
FROM over o
LEFT JOIN settled s ON s.workspace_id = o.workspace_id AND s.attempt_id = o.attempt_id
