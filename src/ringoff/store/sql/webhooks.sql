-- Deliveries: who gets what next, and how each try ended.

-- name: set_webhook
-- One URL for each event type and agent: the newest wins, and begins with a clean sheet. The secret stays with the subscription.
INSERT INTO event_subscription (workspace_id, agent_id, event_type, callback_url, headers, method, signing_secret)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (workspace_id, event_type, agent_id, origin) DO UPDATE
SET callback_url = EXCLUDED.callback_url,
    headers = EXCLUDED.headers,
    method = EXCLUDED.method,
    signing_secret = coalesce(event_subscription.signing_secret, EXCLUDED.signing_secret),
    failed_count = 0, failed_since = NULL, paused_at = NULL, alarm = NULL
RETURNING subscription_id, signing_secret

-- name: add_origin
-- Quietly once: who registers calls must not queue behind others that name the same host.
INSERT INTO event_subscription (workspace_id, event_type, callback_url, origin, signing_secret)
SELECT $1, 'status_callback', $2, $2, $3
WHERE (SELECT count(*) FROM event_subscription s WHERE s.workspace_id = $1 AND s.event_type = 'status_callback') < $4
ON CONFLICT DO NOTHING

-- name: keep_callback
INSERT INTO status_callback (workspace_id, subject_id, subscription_id, callback_url, headers)
SELECT $1, $2, s.subscription_id, $4, $5
FROM event_subscription s
WHERE s.workspace_id = $1 AND s.event_type = 'status_callback' AND s.agent_id IS NULL AND s.origin = $3
ON CONFLICT (workspace_id, subject_id) DO UPDATE
SET subscription_id = EXCLUDED.subscription_id, callback_url = EXCLUDED.callback_url, headers = EXCLUDED.headers

-- name: open
SELECT s.workspace_id, s.subscription_id
FROM event_subscription s
WHERE s.callback_url IS NOT NULL AND s.paused_at IS NULL
  AND EXISTS (
      SELECT FROM webhook_delivery d
      WHERE d.workspace_id = s.workspace_id AND d.subscription_id = s.subscription_id AND d.state = 'pending'
        AND d.next_try_at <= statement_timestamp()
  )

-- name: need_not_be_durable
-- A claim or an outcome that a crash of the database forgets is a try that is made again, which it may be.
SET LOCAL synchronous_commit TO off

-- name: claim
-- Only the oldest undelivered event of each call: that is the order. The lease is the time of the next try: nobody else takes
-- it before then, and anybody may once whoever tries it has died.
WITH picked AS MATERIALIZED (
    SELECT d.workspace_id, d.subscription_id, d.event_id
    FROM webhook_delivery d
    WHERE d.workspace_id = $1 AND d.subscription_id = $2 AND d.state = 'pending' AND d.next_try_at <= statement_timestamp()
      AND (
          -- With LIMIT it stays a look for each: as an anti join it may read all that is pending.
          SELECT o.event_id
          FROM webhook_delivery o
          WHERE o.call_id = d.call_id AND o.subscription_id = d.subscription_id AND o.event_id < d.event_id
            AND o.state = 'pending'
            -- IS TRUE keeps the planner from indexes that begin with the workspace: see webhook_delivery_in_order.
            AND (o.workspace_id = d.workspace_id) IS TRUE
          LIMIT 1
      ) IS NULL
      AND EXISTS (
          SELECT FROM event_subscription s
          WHERE s.workspace_id = $1 AND s.subscription_id = $2 AND s.callback_url IS NOT NULL AND s.paused_at IS NULL
      )
    ORDER BY d.next_try_at, d.event_id
    LIMIT $3
    FOR UPDATE OF d SKIP LOCKED
), claimed AS (
    UPDATE webhook_delivery d
    SET tries = d.tries + 1, next_try_at = clock_timestamp() + make_interval(secs => $4), tried_at = clock_timestamp()
    FROM picked p
    WHERE d.workspace_id = p.workspace_id AND d.subscription_id = p.subscription_id AND d.event_id = p.event_id
      AND d.state = 'pending'
    RETURNING d.event_id, d.tries, d.tried_at
)
SELECT
    c.event_id, c.tries, c.tried_at, coalesce(b.callback_url, s.callback_url) AS callback_url,
    coalesce(b.headers, s.headers) AS headers, s.method, s.signing_secret, s.origin IS NOT NULL AS is_callback,
    e.event_type, e.payload, e.created_at AS event_at,
    v.call_id, v.agent_id, g.display_name AS agent_name, v.called_number,
    coalesce(v.calling_number, tried.calling_number) AS calling_number,
    t.custom_args, CASE WHEN v.kind = 'list' THEN v.campaign_id END AS bulk_list_id,
    v.last_attempt_at, v.created_at, tried.dispositions, tried.called_at
FROM claimed c
JOIN event_subscription s ON s.workspace_id = $1 AND s.subscription_id = $2
JOIN outbox_event e ON e.workspace_id = $1 AND e.event_id = c.event_id
LEFT JOIN call_effective v ON v.workspace_id = $1 AND v.call_id = e.call_id
LEFT JOIN status_callback b ON s.origin IS NOT NULL AND b.workspace_id = $1
    AND b.subject_id = ANY(ARRAY[e.call_id, v.campaign_id])
LEFT JOIN agent g ON g.workspace_id = $1 AND g.agent_id = v.agent_id
LEFT JOIN contact t ON t.workspace_id = $1 AND t.campaign_id = v.campaign_id AND t.contact_id = v.contact_id
LEFT JOIN LATERAL (
    SELECT
        array_agg(a.disposition ORDER BY a.attempt_id) AS dispositions,
        array_agg(coalesce(a.originated_at, a.prepared_at) ORDER BY a.attempt_id) AS called_at,
        max(a.calling_number) AS calling_number
    FROM dial_attempt a
    WHERE a.workspace_id = $1 AND a.call_id = e.call_id AND a.disposition IS NOT NULL AND a.released_at <= e.created_at + interval '1 hour'
      AND a.attempt_id <= coalesce((e.payload ->> 'attempt_id')::uuid, a.attempt_id)
) tried ON true
ORDER BY c.event_id

-- name: record
-- A try that took longer than its lease writes nothing over a later one: it is known by its number.
-- Where the person of the call was erased while the answer was on its way, the row says so itself and keeps no words. The mark is
-- judged where it stands, not by the call: this statement may have begun before the erasure and have waited for it.
UPDATE webhook_delivery d
SET state = i.state, status = i.status, latency_ms = i.latency_ms,
    excerpt = CASE WHEN d.excerpt = 'erased' THEN 'erased' ELSE i.excerpt END,
    next_try_at = clock_timestamp() + make_interval(secs => i.wait_s)
FROM unnest($3::bigint[], $4::smallint[], $5::text[], $6::smallint[], $7::int[], $8::text[], $9::float8[])
    AS i (event_id, tries, state, status, latency_ms, excerpt, wait_s)
WHERE d.workspace_id = $1 AND d.subscription_id = $2 AND d.event_id = i.event_id AND d.tries = i.tries
  AND d.state = 'pending'
RETURNING d.event_id, d.excerpt

-- name: give_back
-- Known by the number of its try, like an outcome: after a lease that ran out it belongs to somebody else.
UPDATE webhook_delivery d
SET tries = d.tries - 1, next_try_at = statement_timestamp()
FROM unnest($3::bigint[], $4::smallint[]) AS g (event_id, tries)
WHERE d.workspace_id = $1 AND d.subscription_id = $2 AND d.event_id = g.event_id AND d.tries = g.tries
  AND d.state = 'pending'

-- name: succeeded
UPDATE event_subscription
SET failed_count = 0, failed_since = NULL
WHERE workspace_id = $1 AND subscription_id = $2 AND failed_count > 0

-- name: failed
-- Paused after so many failures in a row that lasted so long: its events are kept, and it costs nobody anything.
UPDATE event_subscription s
SET failed_count = s.failed_count + $3,
    failed_since = coalesce(s.failed_since, clock_timestamp()),
    paused_at = CASE WHEN p.is_hopeless THEN clock_timestamp() END,
    alarm = CASE WHEN p.is_hopeless THEN $6::text END
FROM (
    SELECT f.failed_count + $3 >= $4 AND f.failed_since < clock_timestamp() - make_interval(secs => $5) IS TRUE AS is_hopeless
    FROM event_subscription f
    WHERE f.workspace_id = $1 AND f.subscription_id = $2
) p
WHERE s.workspace_id = $1 AND s.subscription_id = $2 AND s.paused_at IS NULL
RETURNING s.paused_at IS NOT NULL AS is_paused

-- name: resume
WITH resumed AS (
    UPDATE event_subscription s
    SET failed_count = 0, failed_since = NULL, paused_at = NULL, alarm = NULL
    WHERE s.workspace_id = $1 AND s.subscription_id = $2 AND s.callback_url IS NOT NULL
    RETURNING s.subscription_id
), waiting AS (
    UPDATE webhook_delivery d
    SET next_try_at = clock_timestamp()
    FROM resumed r
    WHERE d.workspace_id = $1 AND d.subscription_id = r.subscription_id AND d.state = 'pending'
      AND d.next_try_at > clock_timestamp() + make_interval(secs => $3)
)
SELECT count(*) FROM resumed

-- name: redeliver
-- What is over, from one event to another: sent once more, with its own id and in its place.
UPDATE webhook_delivery d
SET state = 'pending', tries = 0, next_try_at = clock_timestamp()
WHERE d.workspace_id = $1 AND d.subscription_id = $2 AND d.event_id BETWEEN $3 AND $4 AND d.state IN ('delivered', 'dropped')
  AND EXISTS (SELECT FROM outbox_event e WHERE e.workspace_id = $1 AND e.event_id = d.event_id)

-- name: deliveries
-- The log, newest first, below a cursor: along each subscription's own key, so that it needs no index of its own. OFFSET 0 keeps
-- the planner from merging the two keys, which would walk over every newer event of anybody.
SELECT d.*, s.subscription_id, s.event_type
FROM event_subscription s
CROSS JOIN LATERAL (
    SELECT o.event_id, o.call_id, o.state, o.tries, o.status, o.latency_ms, o.excerpt, w.event_at, o.tried_at,
        CASE WHEN o.state = 'pending' THEN o.next_try_at END AS next_try_at
    FROM webhook_delivery o
    CROSS JOIN LATERAL (
        SELECT e.created_at AS event_at FROM outbox_event e WHERE e.workspace_id = $1 AND e.event_id = o.event_id OFFSET 0
    ) w
    WHERE o.workspace_id = $1 AND o.subscription_id = s.subscription_id
      AND o.event_id <= $5 AND (o.event_id, s.subscription_id) < ($5, $6::uuid)
      AND ($4::text IS NULL OR o.state = $4)
    ORDER BY o.event_id DESC
    LIMIT $7
) d
WHERE s.workspace_id = $1 AND ($2::uuid IS NULL OR s.subscription_id = $2) AND ($3::text IS NULL OR s.event_type = $3)
ORDER BY d.event_id DESC, s.subscription_id DESC
LIMIT $7

-- name: deliveries_since
-- The same of events from an instant on, of which there may be few: by the age of events where that reads less.
SELECT d.*, s.subscription_id, s.event_type
FROM event_subscription s
CROSS JOIN LATERAL (
    SELECT o.event_id, o.call_id, o.state, o.tries, o.status, o.latency_ms, o.excerpt, e.created_at AS event_at, o.tried_at,
        CASE WHEN o.state = 'pending' THEN o.next_try_at END AS next_try_at
    FROM webhook_delivery o
    JOIN outbox_event e ON e.workspace_id = $1 AND e.event_id = o.event_id
    WHERE o.workspace_id = $1 AND o.subscription_id = s.subscription_id
      AND o.event_id <= $5 AND (o.event_id, s.subscription_id) < ($5, $6::uuid)
      AND ($4::text IS NULL OR o.state = $4) AND ($7::timestamptz IS NULL OR e.created_at >= $7)
    ORDER BY o.event_id DESC
    LIMIT $8
) d
WHERE s.workspace_id = $1 AND ($2::uuid IS NULL OR s.subscription_id = $2) AND ($3::text IS NULL OR s.event_type = $3)
ORDER BY d.event_id DESC, s.subscription_id DESC
LIMIT $8

-- name: deliveries_of_call
-- The same of one call, which has few events.
SELECT o.event_id, o.call_id, o.state, o.tries, o.status, o.latency_ms, o.excerpt, e.created_at AS event_at, o.tried_at,
    CASE WHEN o.state = 'pending' THEN o.next_try_at END AS next_try_at, s.subscription_id, s.event_type
FROM outbox_event e
JOIN event_subscription s ON s.workspace_id = $1
JOIN webhook_delivery o ON o.workspace_id = $1 AND o.subscription_id = s.subscription_id AND o.event_id = e.event_id
WHERE e.workspace_id = $1 AND e.call_id = $9
  AND (o.event_id, s.subscription_id) < ($5, $6::uuid)
  AND ($2::uuid IS NULL OR s.subscription_id = $2) AND ($3::text IS NULL OR s.event_type = $3)
  AND ($4::text IS NULL OR o.state = $4) AND ($7::timestamptz IS NULL OR e.created_at >= $7)
ORDER BY o.event_id DESC, s.subscription_id DESC
LIMIT $8

-- name: paused
SELECT workspace_id, subscription_id, event_type, alarm FROM event_subscription WHERE paused_at IS NOT NULL ORDER BY paused_at

-- name: oldest_undelivered_s
SELECT extract(epoch FROM clock_timestamp() - min(e.created_at))::float8
FROM workspace w
CROSS JOIN LATERAL (
    SELECT d.event_id
    FROM webhook_delivery d
    JOIN event_subscription s ON s.workspace_id = d.workspace_id AND s.subscription_id = d.subscription_id
    WHERE d.workspace_id = w.workspace_id AND d.state = 'pending'
    ORDER BY d.event_id
    LIMIT 1
) o
JOIN outbox_event e ON e.workspace_id = w.workspace_id AND e.event_id = o.event_id
