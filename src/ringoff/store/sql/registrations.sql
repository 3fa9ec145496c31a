-- Events of calls that are registered many at once. Reads raw rows: nobody else has seen them yet.

-- name: publish_started
-- One event for each call that this transaction has registered. A statement of its own, so that a million calls for which
-- nobody asked pass through nothing. The calls of a list that is just being verified carry the transaction of its upload.
INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
SELECT
    c.workspace_id, 'call_started', c.call_id,
    jsonb_build_object('campaign_id', c.campaign_id, 'status', c.status, 'sub_status', c.sub_status)
FROM call c
WHERE c.workspace_id = $1 AND c.campaign_id = $2 AND c.registered_xid = coalesce(
      (
          SELECT u.uploaded_xid FROM list_upload u
          WHERE u.workspace_id = $1 AND u.campaign_id = $2 AND u.state = 'verifying'
      ),
      pg_current_xact_id()
  )
  -- An ended call of a database that was restored may carry the same id, of another cluster.
  AND c.status = 'registered'
  AND EXISTS (
      SELECT FROM event_subscription e
      JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = $2
      WHERE e.workspace_id = $1 AND e.event_type = 'call_started' AND (e.agent_id = k.agent_id OR e.agent_id IS NULL)
  )
ORDER BY c.call_id
