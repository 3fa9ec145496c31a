-- Calls as people see them. Every read goes through call_effective.

-- name: add_contact
INSERT INTO contact (workspace_id, campaign_id, called_number, callee_name, custom_args)
VALUES ($1, $2, $3, $4, $5)
RETURNING contact_id

-- name: register
WITH registered AS (
    INSERT INTO call (
        workspace_id, campaign_id, contact_id, epoch, called_number, calling_number, call_config, next_attempt_at
    )
    VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, statement_timestamp()))
    RETURNING workspace_id, call_id, campaign_id, status, sub_status
), published AS (
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT
        r.workspace_id, 'call_started', r.call_id,
        jsonb_build_object('campaign_id', r.campaign_id, 'status', r.status, 'sub_status', r.sub_status)
    FROM registered r
    JOIN campaign k ON k.workspace_id = r.workspace_id AND k.campaign_id = r.campaign_id
    WHERE EXISTS (
        SELECT FROM event_subscription e
        WHERE e.workspace_id = $1 AND e.event_type = 'call_started' AND (e.agent_id = k.agent_id OR e.agent_id IS NULL)
    )
)
SELECT call_id FROM registered

-- name: wake_dispatchers
NOTIFY ringoff_due

-- name: call
SELECT v.call_id, v.campaign_id, v.kind = 'individual' AS is_individual, v.agent_id, a.display_name AS agent_name,
    v.called_number,
    CASE WHEN v.calling_number IS NULL THEN v.campaign_calling_numbers ELSE ARRAY[v.calling_number] END
        AS calling_numbers,
    t.callee_name, t.custom_args, v.status, v.sub_status, v.created_at, v.last_attempt_at, v.next_attempt_at, v.ended_at,
    v.talk_ms, v.voicemail_detected
FROM call_effective v
JOIN agent a ON a.workspace_id = v.workspace_id AND a.agent_id = v.agent_id
JOIN contact t ON t.workspace_id = v.workspace_id AND t.campaign_id = v.campaign_id AND t.contact_id = v.contact_id
WHERE v.workspace_id = $1 AND v.call_id = $2

-- name: attempts
SELECT row_number() OVER (ORDER BY prepared_at, attempt_id)::int AS attempt_no, state, calling_number, originated_at,
    rang_at, answered_at, released_at, disposition, sip_status, q850_cause, cause_text
FROM dial_attempt
WHERE workspace_id = $1 AND call_id = $2
ORDER BY prepared_at, attempt_id

-- name: timeline_attempts
SELECT a.attempt_id, row_number() OVER (ORDER BY a.prepared_at, a.attempt_id)::int AS attempt_no, a.trunk_id, t.name AS trunk_name,
    a.state, a.calling_number, a.prepared_at, a.originated_at, a.rang_at, a.answered_at, a.released_at, a.disposition, a.sip_status,
    a.q850_cause, a.cause_text
FROM dial_attempt a
JOIN trunk t ON t.workspace_id = a.workspace_id AND t.trunk_id = a.trunk_id
WHERE a.workspace_id = $1 AND a.call_id = $2
ORDER BY a.prepared_at, a.attempt_id

-- name: events
SELECT e.event_id, e.event_type, e.created_at
FROM outbox_event e
WHERE e.workspace_id = $1 AND e.call_id = $2
ORDER BY e.event_id
LIMIT $3

-- name: covered_by
SELECT v.termination_id FROM call_effective v WHERE v.workspace_id = $1 AND v.call_id = $2
