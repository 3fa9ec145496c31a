-- What nobody needs any more, deleted in bounded batches. By place (ctid) only where a table has no partitions: each partition has its
-- own first row.

-- name: steer
-- A batch of keys is looked up key by key, in one partition each; a plan that hashes or merges reads all of them.
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('enable_sort', 'off', true)

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
-- With an event goes what the log says of its deliveries. Whether one is pending is asked of webhook_delivery_of_event, one entry an
-- event: nothing else gives the order that is asked for, as sorting is off, and a range of one event is no order that the planner can
-- think away. Left to statistics, which know nothing of a webhook that was paused since, each event would read all that is pending.
WITH old AS MATERIALIZED (
    SELECT e.workspace_id, e.event_id
    FROM outbox_event e
    WHERE e.created_at < statement_timestamp() - make_interval(hours => $2)
      AND (
          SELECT d.event_id
          FROM webhook_delivery d
          JOIN event_subscription s ON s.workspace_id = d.workspace_id AND s.subscription_id = d.subscription_id
          WHERE d.workspace_id = e.workspace_id AND d.event_id BETWEEN e.event_id AND e.event_id AND d.state = 'pending'
          ORDER BY d.event_id
          LIMIT 1
      ) IS NULL
    ORDER BY e.created_at
    LIMIT $1
), gone AS (
    DELETE FROM outbox_event e
    USING old o
    WHERE e.workspace_id = o.workspace_id AND e.event_id = o.event_id
    RETURNING e.workspace_id, e.event_id
), unlogged AS (
    DELETE FROM webhook_delivery d
    USING gone g, event_subscription s
    WHERE s.workspace_id = g.workspace_id
      AND d.workspace_id = g.workspace_id AND d.subscription_id = s.subscription_id AND d.event_id = g.event_id
)
SELECT count(*) FROM gone

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
-- Of subscriptions that have ended. The walk goes from one subscription to the next along the primary key.
WITH RECURSIVE known AS (
    (SELECT d.workspace_id, d.subscription_id FROM webhook_delivery d ORDER BY d.workspace_id, d.subscription_id LIMIT 1)
    UNION ALL
    SELECT n.workspace_id, n.subscription_id
    FROM known k
    CROSS JOIN LATERAL (
        SELECT d.workspace_id, d.subscription_id
        FROM webhook_delivery d
        WHERE (d.workspace_id, d.subscription_id) > (k.workspace_id, k.subscription_id)
        ORDER BY d.workspace_id, d.subscription_id
        LIMIT 1
    ) n
), old AS MATERIALIZED (
    SELECT d.workspace_id, d.subscription_id, d.event_id
    FROM known k
    JOIN webhook_delivery d ON d.workspace_id = k.workspace_id AND d.subscription_id = k.subscription_id
    WHERE NOT EXISTS (
        SELECT FROM event_subscription s
        WHERE s.workspace_id = k.workspace_id AND s.subscription_id = k.subscription_id
    )
    LIMIT $1
)
DELETE FROM webhook_delivery d
USING old o
WHERE d.workspace_id = o.workspace_id AND d.subscription_id = o.subscription_id AND d.event_id = o.event_id

-- name: prune_seconds
DELETE FROM workspace_second
WHERE ctid = ANY(ARRAY(
    SELECT s.ctid FROM workspace_second s WHERE s.from_at < statement_timestamp() - interval '15 minutes' LIMIT $1
))
