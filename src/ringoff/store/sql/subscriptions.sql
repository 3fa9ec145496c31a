-- Who wants to hear of which events. Writers of events look here in the same statement; see "published" in their texts.

-- name: replace
WITH gone AS (
    DELETE FROM event_subscription
    WHERE workspace_id = $1 AND agent_id IS NOT DISTINCT FROM $2 AND origin IS NULL
      AND event_type <> ALL ($3::text[])
)
INSERT INTO event_subscription (workspace_id, agent_id, event_type)
SELECT $1, $2, t.event_type FROM unnest($3::text[]) AS t (event_type)
ON CONFLICT DO NOTHING

-- name: all
SELECT agent_id, event_type, created_at, subscription_id, callback_url, method, paused_at, alarm
FROM event_subscription
WHERE workspace_id = $1
ORDER BY agent_id NULLS FIRST, event_type, origin
