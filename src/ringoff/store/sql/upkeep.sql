-- What nobody needs any more, deleted in bounded batches.

-- name: prune_pace_grants
-- As far back as the slowest trunk, slowed to half, can still look.
DELETE FROM pace_grant
WHERE ctid = ANY(ARRAY(
    SELECT g.ctid
    FROM pace_grant g
    JOIN trunk t ON t.workspace_id = g.workspace_id AND t.trunk_id = g.trunk_id
    WHERE g.granted_at < statement_timestamp() - make_interval(secs => greatest(60, 3 / t.cps_max))
    LIMIT $1
))

-- name: prune_outbox
DELETE FROM outbox_event
WHERE ctid = ANY(ARRAY(
    SELECT e.ctid
    FROM outbox_event e
    WHERE e.created_at < statement_timestamp() - make_interval(hours => $2)
      AND NOT EXISTS (
          SELECT FROM webhook_delivery d
          JOIN event_subscription s ON s.workspace_id = d.workspace_id AND s.subscription_id = d.subscription_id
          WHERE d.workspace_id = e.workspace_id AND d.event_id = e.event_id AND d.state = 'pending'
      )
    ORDER BY e.created_at
    LIMIT $1
))

-- name: prune_idempotency_keys
DELETE FROM idempotency_key
WHERE ctid = ANY(ARRAY(
    SELECT i.ctid
    FROM idempotency_key i
    WHERE i.created_at < statement_timestamp() - make_interval(hours => $2)
    ORDER BY i.created_at
    LIMIT $1
))

-- name: prune_releases
-- Of processes that died before they could read them: the crash rules close those attempts.
DELETE FROM release_wanted
WHERE ctid = ANY(ARRAY(
    SELECT r.ctid FROM release_wanted r WHERE r.wanted_at < statement_timestamp() - make_interval(hours => 1) LIMIT $1
))

-- name: prune_callbacks
-- Of processes that died before they could take them: nobody else can act on them.
DELETE FROM carrier_callback
WHERE ctid = ANY(ARRAY(
    SELECT k.ctid
    FROM carrier_callback k
    WHERE k.received_at < statement_timestamp() - make_interval(hours => 1)
    LIMIT $1
))

-- name: prune_deliveries
-- An event is kept as long as a delivery of it is pending; when it is gone, so are they.
DELETE FROM webhook_delivery
WHERE ctid = ANY(ARRAY(
    SELECT d.ctid
    FROM webhook_delivery d
    WHERE NOT EXISTS (SELECT FROM outbox_event e WHERE e.workspace_id = d.workspace_id AND e.event_id = d.event_id)
    LIMIT $1
))
