-- The kill switch: fences that cost the same for ten calls and ten million, and row updates for what is named one by one.
-- What happens behind the fences stands in sweep.sql.

-- name: lock_exclusive
SELECT pg_advisory_xact_lock(lock_key($1, $2, $3))

-- name: lock_shared
-- Whoever stands still with it is ended within a second: an order waits behind it, and all permits behind the order.
SELECT set_config('idle_in_transaction_session_timeout', '1000', true), pg_advisory_xact_lock_shared(lock_key($1, $2, $3))

-- name: new_termination_id
SELECT ordered_uuid()

-- name: add_termination
INSERT INTO termination (
    workspace_id, termination_id, level, selector, reason, api_key_id, ongoing, suppress, suppressed_count
)
VALUES ($1, coalesce($2, ordered_uuid()), $3, $4, $5, $6, $7, $8, $9)
RETURNING termination_id

-- The probes find one terminable call (a witness) without any lock; the order looks at the witness again under its lock,
-- so that a long search (many rows behind number fences) never happens while permits wait.
-- Each block fits one index only, and LATERAL with LIMIT or OFFSET 0 keeps it apart: an EXISTS may be planned as a join that
-- reads every pending call, and a status beside another key invites an index that old statistics believe empty.

-- name: probe_campaign
SELECT pending.call_id
FROM campaign k
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = k.workspace_id AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
    ORDER BY c.next_attempt_at DESC
    LIMIT 1
) pending
WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.kind = 'list' AND ($3::uuid IS NULL OR k.agent_id = $3)

-- name: probe_agent
SELECT pending.call_id
FROM campaign k
CROSS JOIN LATERAL (
    SELECT c.call_id
    FROM call c
    WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = k.workspace_id AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
    ORDER BY c.next_attempt_at DESC
    LIMIT 1
) pending
WHERE k.workspace_id = $1 AND k.agent_id = $2
LIMIT 1

-- name: probe_numbers
SELECT c.call_id
FROM unnest($2::text[]) AS n (called_number)
CROSS JOIN LATERAL (
        SELECT o.call_id, o.campaign_id, o.epoch, o.status, o.called_number, o.registered_xid
        FROM call o
        WHERE o.workspace_id = $1 AND o.called_number = n.called_number
          AND o.status IN ('registered', 'retry', 'ongoing')
        OFFSET 0
) c
CROSS JOIN LATERAL (
    SELECT k.campaign_id, k.agent_id, k.kind, k.epoch
    FROM campaign k
    WHERE k.workspace_id = $1 AND k.campaign_id = c.campaign_id
    OFFSET 0
) k
WHERE c.status IN ('registered', 'retry') AND c.epoch = k.epoch
  AND ($3::uuid IS NULL OR (k.campaign_id = $3 AND k.kind = 'list'))
  AND ($4::uuid IS NULL OR k.agent_id = $4)
  AND NOT EXISTS (
      SELECT FROM number_fence f
      WHERE f.workspace_id = $1 AND f.called_number = c.called_number
        AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
        AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
  )
LIMIT 1

-- name: is_terminable
WITH witness AS MATERIALIZED (
    SELECT c.status, c.epoch, c.campaign_id, c.called_number, c.registered_xid
    FROM call c
    WHERE c.workspace_id = $1 AND c.call_id = $2
)
SELECT EXISTS (
    SELECT FROM witness c
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = c.campaign_id
    WHERE c.status IN ('registered', 'retry') AND c.epoch = k.epoch
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
)

-- name: is_verifying
-- Whether the selector covers a list whose calls are still to be registered, and that no fence covers as a whole yet.
SELECT EXISTS (
    SELECT FROM list_upload u
    JOIN campaign k ON k.workspace_id = u.workspace_id AND k.campaign_id = u.campaign_id
    WHERE u.workspace_id = $1 AND u.state = 'verifying' AND k.epoch = u.epoch
      AND ($2::uuid IS NULL OR k.campaign_id = $2) AND ($3::uuid IS NULL OR k.agent_id = $3)
)

-- name: fence_campaign
-- After lock_exclusive('campaign', …). Touches one row, however many calls there are.
WITH raised AS (
    UPDATE campaign k
    SET epoch = k.epoch + 1,
        -- Completed by its end, and something still talks: a hang-up covers that and leaves the status.
        status = CASE WHEN k.status IN ('completed', 'failed') THEN k.status ELSE 'terminated' END,
        updated_at = clock_timestamp()
    WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.kind = 'list'
    RETURNING k.workspace_id, k.campaign_id, k.epoch - 1 AS epoch
)
INSERT INTO campaign_fence (workspace_id, campaign_id, epoch, termination_id, sub_status)
SELECT r.workspace_id, r.campaign_id, r.epoch, $3, 'USER_TERMINATED' FROM raised r

-- name: end_campaign
-- After lock_exclusive('campaign', …). An order for the agent does not take that lock: the status says who came first.
WITH raised AS (
    UPDATE campaign k
    SET epoch = k.epoch + 1, status = 'completed', updated_at = clock_timestamp()
    WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.kind = 'list' AND k.status IN ('scheduled', 'ongoing', 'paused')
    RETURNING k.workspace_id, k.campaign_id, k.epoch - 1 AS epoch
)
INSERT INTO campaign_fence (workspace_id, campaign_id, epoch, termination_id, sub_status)
SELECT r.workspace_id, r.campaign_id, r.epoch, $3, $4 FROM raised r

-- name: fence_agent
-- After lock_exclusive('agent', …). Campaigns with calls on the wire but none pending are fenced too: no retry follows. So are
-- those that are still verified: whoever ends a verification takes that lock shared, so none ends unseen.
WITH target AS MATERIALIZED (
    SELECT k.workspace_id, k.campaign_id, k.epoch
    FROM campaign k
    LEFT JOIN LATERAL (
        SELECT true AS found
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
        ORDER BY c.next_attempt_at
        LIMIT 1
    ) pending ON true
    LEFT JOIN LATERAL (
        SELECT true AS found
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status = 'ongoing'
        LIMIT 1
    ) ongoing ON true
    WHERE k.workspace_id = $1 AND k.agent_id = $2 AND (pending.found OR ongoing.found OR k.status = 'verifying')
    ORDER BY k.campaign_id
    FOR NO KEY UPDATE OF k
), raised AS (
    UPDATE campaign k
    SET epoch = k.epoch + 1,
        status = CASE WHEN k.kind = 'list' AND k.status NOT IN ('completed', 'failed') THEN 'terminated' ELSE k.status END,
        updated_at = clock_timestamp()
    FROM target t
    WHERE k.workspace_id = t.workspace_id AND k.campaign_id = t.campaign_id
    RETURNING k.workspace_id, k.campaign_id, k.epoch - 1 AS epoch
)
INSERT INTO campaign_fence (workspace_id, campaign_id, epoch, termination_id, sub_status)
SELECT r.workspace_id, r.campaign_id, r.epoch, $3, 'USER_TERMINATED' FROM raised r

-- name: fence_numbers
-- After lock_exclusive('number_fences', …), in a statement of its own: the snapshot that is kept says which calls were
-- registered before the order, so this is the instant at which the order is given.
WITH given AS (
    UPDATE termination SET created_at = clock_timestamp() WHERE workspace_id = $1 AND termination_id = $3
)
INSERT INTO number_fence (
    workspace_id, called_number, termination_id, campaign_id, agent_id, registered_in, sub_status
)
SELECT $1, n.called_number, $3, $4, $5, pg_current_snapshot(), 'USER_TERMINATED'
FROM unnest($2::text[]) AS n (called_number)

-- name: covered_by_call_ids
-- Locks in the order of ids, like every other writer of several calls. Permit and order meet on these rows.
WITH locked AS MATERIALIZED (
    SELECT c.call_id, c.campaign_id, c.epoch, c.status, c.called_number, c.registered_xid, c.retry_barred
    FROM call c
    WHERE c.workspace_id = $1 AND c.call_id = ANY($2::uuid[]) AND c.call_id >= $6 AND c.call_id <= $7
    ORDER BY c.call_id
    FOR UPDATE OF c
)
-- A call on the wire behind an earlier fence belongs to that order, also when the sweeper has not marked it yet.
SELECT c.call_id, c.status, c.retry_barred OR f.is_fenced AS retry_barred
FROM locked c
CROSS JOIN LATERAL (
    SELECT k.campaign_id, k.agent_id, k.kind, k.epoch
    FROM campaign k
    WHERE k.workspace_id = $1 AND k.campaign_id = c.campaign_id
    OFFSET 0
) k
CROSS JOIN LATERAL (
    SELECT c.epoch < k.epoch OR EXISTS (
        SELECT FROM number_fence f
        WHERE f.workspace_id = $1 AND f.called_number = c.called_number
          AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
          AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
    ) AS is_fenced
) f
WHERE ($3::text[] IS NULL OR c.called_number = ANY($3))
  AND ($4::uuid IS NULL OR (k.campaign_id = $4 AND k.kind = 'list'))
  AND ($5::uuid IS NULL OR k.agent_id = $5)
  AND (
      c.status = 'ongoing'
      OR (c.status IN ('registered', 'retry') AND NOT f.is_fenced)
  )

-- name: covered_by_numbers
-- At most $5 rows: with more of them the numbers are fenced instead.
WITH locked AS MATERIALIZED (
    SELECT c.call_id, c.campaign_id, c.epoch, c.status, c.called_number, c.registered_xid, c.retry_barred
    FROM call c
    WHERE c.workspace_id = $1 AND c.called_number = ANY($2::text[])
      AND c.status IN ('registered', 'retry', 'ongoing')
    ORDER BY c.call_id
    LIMIT $5
    FOR UPDATE OF c
)
SELECT c.call_id, c.status, c.retry_barred OR f.is_fenced AS retry_barred,
    ($3::uuid IS NULL OR (k.campaign_id = $3 AND k.kind = 'list'))
    AND ($4::uuid IS NULL OR k.agent_id = $4)
    AND (
        c.status = 'ongoing'
        OR NOT f.is_fenced
    ) AS is_covered
FROM locked c
CROSS JOIN LATERAL (
    SELECT k.campaign_id, k.agent_id, k.kind, k.epoch
    FROM campaign k
    WHERE k.workspace_id = $1 AND k.campaign_id = c.campaign_id
    OFFSET 0
) k
CROSS JOIN LATERAL (
    SELECT c.epoch < k.epoch OR EXISTS (
        SELECT FROM number_fence f
        WHERE f.workspace_id = $1 AND f.called_number = c.called_number
          AND (f.campaign_id IS NULL OR f.campaign_id = k.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
          AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
    ) AS is_fenced
) f

-- name: cancel_rows
-- Only rows that covered_by_... has locked in this transaction: their status cannot have moved since, so the receipt can be
-- written with its counts, settled, in the same statement. What an earlier order barred stays on that order's receipt.
WITH given AS (
    INSERT INTO termination (
        workspace_id, termination_id, level, selector, reason, api_key_id, ongoing, suppress, suppressed_count,
        state, settled_at, cancelled_count, retry_barred_count, left_ongoing_count, hung_up_count
    )
    VALUES (
        $1, coalesce($2, ordered_uuid()), $3, $4, $5, $6, $7, $8, $9,
        'settled', clock_timestamp(), cardinality($10::uuid[]), cardinality($12::uuid[]),
        CASE WHEN $7 = 'hangup' THEN 0 ELSE cardinality($11::uuid[]) END,
        CASE WHEN $7 = 'hangup' THEN cardinality($11::uuid[]) ELSE 0 END
    )
    RETURNING workspace_id, termination_id, ongoing, termination_payload(termination) AS payload
), cancelled AS (
    UPDATE call c
    SET status = 'cancelled',
        sub_status = 'USER_TERMINATED',
        termination_id = g.termination_id,
        next_attempt_at = NULL,
        ended_at = clock_timestamp()
    FROM given g
    WHERE c.workspace_id = $1 AND c.call_id = ANY($10::uuid[]) AND c.call_id >= $13 AND c.call_id <= $14
    RETURNING c.workspace_id, c.call_id, c.campaign_id, c.termination_id, c.epoch, c.last_attempt_at IS NULL AS was_registered
), tallied AS (
    INSERT INTO tally_step (workspace_id, campaign_id, epoch, begun_count, cancelled_count)
    SELECT $1, x.campaign_id, x.epoch, count(*) FILTER (WHERE x.was_registered), count(*)
    FROM cancelled x
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = x.campaign_id
    WHERE k.is_tallied
    GROUP BY x.campaign_id, x.epoch
), barred AS (
    UPDATE call c
    SET retry_barred = true, termination_id = g.termination_id
    FROM given g
    WHERE c.workspace_id = $1 AND c.call_id = ANY($12::uuid[]) AND c.call_id >= $13 AND c.call_id <= $14
), wanted AS (
    INSERT INTO release_wanted (workspace_id, attempt_id, owner_id, termination_id)
    SELECT a.workspace_id, a.attempt_id, a.owner_id, g.termination_id
    FROM given g
    -- Pending ones too: the commit of a permit may have been lost after its request had left.
    JOIN dial_attempt a ON a.workspace_id = $1 AND a.call_id = ANY($10::uuid[] || $11::uuid[])
        AND a.call_id >= $13 AND a.call_id <= $14
    WHERE g.ongoing = 'hangup' AND a.state IN ('prepared', 'originated', 'ringing', 'answered')
    ORDER BY a.attempt_id
    ON CONFLICT DO NOTHING
), published AS (
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT
        x.workspace_id, w.event_type, x.call_id,
        jsonb_build_object(
            'campaign_id', x.campaign_id, 'status', 'cancelled', 'sub_status', 'USER_TERMINATED',
            'termination_id', x.termination_id
        )
    FROM cancelled x
    JOIN campaign k ON k.workspace_id = x.workspace_id AND k.campaign_id = x.campaign_id
    CROSS JOIN LATERAL events_of_an_end($1, k.agent_id, 'cancelled') w (event_type)
    RETURNING call_id
), closed AS (
    -- After the calls' own events: it waits for all of them to be written.
    INSERT INTO outbox_event (workspace_id, event_type, payload)
    SELECT g.workspace_id, 'termination_settled', g.payload
    FROM given g
    WHERE (SELECT count(*) FROM published) >= 0
      AND EXISTS (
          SELECT FROM event_subscription e WHERE e.workspace_id = $1 AND e.event_type = 'termination_settled'
      )
)
SELECT termination_id FROM given

-- What is on the wire when fences are raised, counted under the order's lock: no permit is in flight. $3 also asks for the
-- calls, which a hang-up releases. All of these are bounded by the channels.

-- name: ongoing_of_campaign
SELECT count(*) AS ongoing_count, CASE WHEN $3::boolean THEN coalesce(array_agg(c.call_id), '{}') ELSE '{}' END AS call_ids
FROM campaign k
CROSS JOIN LATERAL (
    SELECT o.call_id FROM call o WHERE o.campaign_id = k.campaign_id AND o.status = 'ongoing' OFFSET 0
) c
WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.kind = 'list' AND ($4::uuid IS NULL OR k.agent_id = $4)

-- name: ongoing_of_agent
SELECT count(*) AS ongoing_count, CASE WHEN $3::boolean THEN coalesce(array_agg(c.call_id), '{}') ELSE '{}' END AS call_ids
FROM campaign k
CROSS JOIN LATERAL (
    SELECT o.call_id FROM call o WHERE o.campaign_id = k.campaign_id AND o.status = 'ongoing' OFFSET 0
) c
WHERE k.workspace_id = $1 AND k.agent_id = $2

-- name: ongoing_of_numbers
-- Through the live attempts: the index of open calls by number also holds every pending one.
SELECT count(*) AS ongoing_count, CASE WHEN $3::boolean THEN coalesce(array_agg(c.call_id), '{}') ELSE '{}' END AS call_ids
FROM dial_attempt a
CROSS JOIN LATERAL (
    SELECT o.call_id, o.campaign_id, o.called_number, o.status
    FROM call o
    WHERE o.workspace_id = a.workspace_id AND o.call_id = a.call_id
    OFFSET 0
) c
CROSS JOIN LATERAL (
    SELECT k.campaign_id, k.agent_id, k.kind, k.epoch
    FROM campaign k
    WHERE k.workspace_id = $1 AND k.campaign_id = c.campaign_id
    OFFSET 0
) k
WHERE a.workspace_id = $1 AND a.state IN ('prepared', 'originated', 'ringing', 'answered')
  AND c.status = 'ongoing' AND c.called_number = ANY($2::text[])
  AND ($4::uuid IS NULL OR (k.campaign_id = $4 AND k.kind = 'list'))
  AND ($5::uuid IS NULL OR k.agent_id = $5)

-- name: record_ongoing
WITH wanted AS (
    INSERT INTO release_wanted (workspace_id, attempt_id, owner_id, termination_id)
    SELECT a.workspace_id, a.attempt_id, a.owner_id, $2
    FROM dial_attempt a
    WHERE a.workspace_id = $1 AND a.call_id = ANY($4::uuid[]) AND a.call_id >= $5 AND a.call_id <= $6
      AND a.state IN ('prepared', 'originated', 'ringing', 'answered')
    ORDER BY a.attempt_id
    ON CONFLICT DO NOTHING
)
UPDATE termination
SET left_ongoing_count = CASE WHEN ongoing = 'hangup' THEN 0 ELSE $3 END,
    hung_up_count = CASE WHEN ongoing = 'hangup' THEN $3 ELSE 0 END
WHERE workspace_id = $1 AND termination_id = $2

-- name: want_prepared_released
-- Claimed, and still pending to the world. Nearly all of these never left, and their wish is forgotten; but the commit of a
-- permit may have been lost after its request had left, and only the process that sent it knows.
INSERT INTO release_wanted (workspace_id, attempt_id, owner_id, termination_id)
SELECT a.workspace_id, a.attempt_id, a.owner_id, $2
FROM dial_attempt a
CROSS JOIN LATERAL (
    SELECT o.called_number FROM call o WHERE o.workspace_id = a.workspace_id AND o.call_id = a.call_id OFFSET 0
) c
CROSS JOIN LATERAL (
    SELECT k.campaign_id, k.agent_id, k.kind, k.epoch
    FROM campaign k
    WHERE k.workspace_id = $1 AND k.campaign_id = a.campaign_id
    OFFSET 0
) k
WHERE a.workspace_id = $1 AND a.state = 'prepared'
  AND ($3::text[] IS NULL OR c.called_number = ANY($3))
  AND ($4::uuid IS NULL OR (k.campaign_id = $4 AND k.kind = 'list'))
  AND ($5::uuid IS NULL OR k.agent_id = $5)
ORDER BY a.attempt_id
ON CONFLICT DO NOTHING

-- name: wake_releases
NOTIFY ringoff_release
