-- Claim, permit, settle, rescue. These statements are the only writers of a call on its way to the wire and back,
-- so they read the raw status; each of them judges fences itself.
-- Row locks are taken in one order everywhere: calls by id, then their attempts.
-- Attempts that are named by their ids are judged by ``coalesce(state, '')``: by the bare column the planner may take the index of
-- what is on the wire, which it believes empty in a young table, and read all of it for each of them.
-- Calls that are named by their ids, and attempts by theirs and their call's, come with the lowest and the highest of these call ids:
-- only the partitions between them are opened, also by a plan that was made without knowing the ids.

-- name: lock_trunk
-- NO KEY: a foreign key that points at the trunk does not queue behind the pace.
-- The claim that follows merges the due calls of all partitions in the order of their index. Where nothing was pending when somebody
-- last looked, a sort looks as cheap, and would read all that is pending there since.
SELECT set_config('enable_sort', 'off', true) FROM trunk WHERE workspace_id = $1 AND trunk_id = $2 FOR NO KEY UPDATE

-- name: pace_state
-- A statement of its own after lock_trunk: its snapshot must be younger than the lock. Grants are read as far back as
-- they matter: one second, or the gap between two calls of a trunk that is slower than one a second (and reduced to a twentieth).
SELECT
    t.cps_max, t.channels_max, t.is_enabled,
    t.reduced_cps, coalesce(extract(epoch FROM clock_timestamp() - t.reduced_at)::float8, 0) AS reduced_age_s,
    t.silent_count, coalesce(t.silent_until > clock_timestamp(), false) AS is_silent,
    (
        SELECT count(*)
        FROM dial_attempt a
        WHERE a.workspace_id = t.workspace_id AND a.trunk_id = t.trunk_id
          AND a.state IN ('prepared', 'originated', 'ringing', 'answered')
    ) AS live_count,
    ARRAY(
        SELECT extract(epoch FROM clock_timestamp() - g.granted_at)::float8
        FROM pace_grant g
        WHERE g.workspace_id = t.workspace_id AND g.trunk_id = t.trunk_id
          AND g.granted_at > statement_timestamp() - make_interval(secs => greatest(1, 20 / t.cps_max) + $3)
        ORDER BY g.granted_at DESC
    ) AS grant_ages_s,
    ARRAY(
        SELECT g.grant_count
        FROM pace_grant g
        WHERE g.workspace_id = t.workspace_id AND g.trunk_id = t.trunk_id
          AND g.granted_at > statement_timestamp() - make_interval(secs => greatest(1, 20 / t.cps_max) + $3)
        ORDER BY g.granted_at DESC
    ) AS grant_counts
FROM trunk t
WHERE t.workspace_id = $1 AND t.trunk_id = $2

-- name: claim
-- The epoch comes as a parameter: a join with campaign makes the planner sort every pending call.
-- SKIP LOCKED keeps claimers apart; one_live_attempt_per_call decides when two of them still meet.
WITH picked AS MATERIALIZED (
    SELECT
        c.call_id, c.contact_id, c.called_number, c.calling_number, c.retries_used, c.congestion_count, c.call_config,
        c.registered_xid
    FROM call c
    WHERE c.campaign_id = $2 AND c.epoch = $3 AND c.status IN ('registered', 'retry')
      AND c.next_attempt_at <= coalesce($9::timestamptz, statement_timestamp())
      AND (
          -- With LIMIT it stays a look at this call's own attempts: as an anti join it may become a reading of all that are live,
          -- and of what lately was, for each claim.
          SELECT a.attempt_id
          FROM dial_attempt a
          WHERE a.workspace_id = $1 AND a.call_id = c.call_id
            AND coalesce(a.state, '') IN ('prepared', 'originated', 'ringing', 'answered')
          LIMIT 1
      ) IS NULL
    ORDER BY c.next_attempt_at
    LIMIT $7
    FOR UPDATE OF c SKIP LOCKED
), prepared AS (
    INSERT INTO dial_attempt (workspace_id, call_id, campaign_id, trunk_id, owner_id, lease_until, calling_number)
    SELECT
        $1, p.call_id, $2, $4, $5, clock_timestamp() + make_interval(secs => $8),
        coalesce(
            p.calling_number,
            ($6::text[])[1 + ((row_number() OVER () + $10::bigint) % greatest(cardinality($6::text[]), 1))::int]
        )
    FROM picked p
    ON CONFLICT (workspace_id, call_id) WHERE state IN ('prepared', 'originated', 'ringing', 'answered') DO NOTHING
    RETURNING attempt_id, call_id, calling_number
), judged AS MATERIALIZED (
    -- What the permit will refuse as suppressed, or behind the fence of an order by numbers, takes no place in the pace from what
    -- will ring; and the dialer lets nothing ring that has no place, whatever is lifted meanwhile. With LIMIT each is a look.
    SELECT
        a.attempt_id, a.call_id, a.calling_number, p.contact_id, p.called_number, p.retries_used, p.congestion_count, p.call_config,
        (
            SELECT s.mobile_number FROM suppression s WHERE s.workspace_id = $1 AND s.mobile_number = p.called_number LIMIT 1
        ) IS NULL AND (
            SELECT f.called_number
            FROM number_fence f
            WHERE f.workspace_id = $1 AND f.called_number = p.called_number
              AND (f.campaign_id IS NULL OR f.campaign_id = $2) AND (f.agent_id IS NULL OR f.agent_id = $11)
              AND pg_visible_in_snapshot(p.registered_xid, f.registered_in)
            LIMIT 1
        ) IS NULL AS has_place
    FROM prepared a
    JOIN picked p ON p.call_id = a.call_id
), granted AS (
    INSERT INTO pace_grant (workspace_id, trunk_id, grant_count)
    SELECT $1, $4, count(*) FROM judged j WHERE j.has_place HAVING count(*) > 0
)
SELECT
    j.attempt_id, j.call_id, j.called_number, j.calling_number, t.callee_name, t.custom_args,
    j.retries_used, j.congestion_count, j.call_config, j.has_place
FROM judged j
JOIN contact t ON t.workspace_id = $1 AND t.campaign_id = $2 AND t.contact_id = j.contact_id

-- name: lock_for_permit
-- Shared, in the one order: number fences, agent, campaign. An order takes exactly one of them, exclusively.
SELECT
    pg_advisory_xact_lock_shared(lock_key('number_fences', $1, $1)),
    pg_advisory_xact_lock_shared(lock_key('agent', $1, $2)),
    pg_advisory_xact_lock_shared(lock_key('campaign', $1, $3))

-- name: permit
-- Runs after lock_for_permit, in a statement of its own: the snapshot must be younger than the locks.
WITH input AS (
    SELECT * FROM unnest($6::uuid[], $7::uuid[], $8::timestamptz[]) AS i (attempt_id, call_id, window_until)
), gate AS (
    SELECT k.is_tallied FROM campaign k
    JOIN trunk t ON t.workspace_id = k.workspace_id AND t.trunk_id = k.trunk_id
    WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.agent_id = $3 AND k.epoch = $4
      AND k.status = 'ongoing' AND t.is_enabled
), locked AS MATERIALIZED (
    -- By primary key alone, judged afterwards: with a status beside it the planner may prefer an index that its
    -- statistics believe empty, and read every pending call.
    SELECT c.call_id, c.epoch, c.status, c.called_number, c.registered_xid
    FROM call c
    WHERE c.workspace_id = $1 AND c.call_id = ANY($7::uuid[]) AND c.call_id >= $11 AND c.call_id <= $12
    ORDER BY c.call_id
    FOR UPDATE OF c
), permitted AS MATERIALIZED (
    SELECT l.call_id
    FROM locked l
    WHERE l.epoch = $4 AND l.status IN ('registered', 'retry')
      AND EXISTS (SELECT FROM gate)
      AND NOT EXISTS (SELECT FROM suppression s WHERE s.workspace_id = $1 AND s.mobile_number = l.called_number)
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = l.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = $2) AND (f.agent_id IS NULL OR f.agent_id = $3)
            AND pg_visible_in_snapshot(l.registered_xid, f.registered_in)
      )
), originated AS (
    UPDATE dial_attempt a
    SET state = 'originated',
        originated_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => $9)
    FROM input i
    JOIN permitted p ON p.call_id = i.call_id
    WHERE a.workspace_id = $1 AND a.attempt_id = i.attempt_id AND a.call_id = i.call_id AND a.owner_id = $5
      AND a.call_id >= $11 AND a.call_id <= $12
      AND coalesce(a.state, '') = 'prepared' AND a.lease_until > clock_timestamp()
      AND coalesce($10::timestamptz, clock_timestamp()) < i.window_until
    RETURNING a.attempt_id, a.call_id
), tallied AS (
    INSERT INTO tally_step (workspace_id, campaign_id, epoch, begun_count)
    SELECT $1, $2, $4, count(*)
    FROM originated o
    JOIN locked l ON l.call_id = o.call_id AND l.status = 'registered'
    WHERE EXISTS (SELECT FROM gate g WHERE g.is_tallied)
    HAVING count(*) > 0
), noted AS (
    INSERT INTO attempt_step (workspace_id, campaign_id, outcome, attempt_count)
    SELECT $1, $2, 'dialled', count(*) FROM originated HAVING count(*) > 0
)
UPDATE call c
SET status = 'ongoing', sub_status = 'ACCEPTED', next_attempt_at = NULL, last_attempt_at = clock_timestamp()
FROM originated o
WHERE c.workspace_id = $1 AND c.call_id = o.call_id AND c.call_id >= $11 AND c.call_id <= $12
RETURNING o.attempt_id

-- name: lock_calls
SELECT FROM call c
WHERE c.workspace_id = $1 AND c.call_id = ANY($2::uuid[]) AND c.call_id >= $3 AND c.call_id <= $4
ORDER BY c.call_id
FOR UPDATE OF c

-- name: permit_again
-- After lock_for_permit and lock_calls, in a statement of its own: its snapshot must be younger than both. The call is ongoing
-- since its first permit; whatever would have refused that refuses this: an order, a suppression, a stopped campaign or trunk.
WITH permitted AS MATERIALIZED (
    SELECT a.attempt_id
    FROM dial_attempt a
    JOIN call c ON c.workspace_id = a.workspace_id AND c.call_id = a.call_id AND c.call_id >= $8 AND c.call_id <= $9
    JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = $2
    JOIN trunk t ON t.workspace_id = k.workspace_id AND t.trunk_id = a.trunk_id
    WHERE a.workspace_id = $1 AND a.attempt_id = ANY($6::uuid[]) AND a.call_id >= $8 AND a.call_id <= $9 AND a.owner_id = $5
      AND a.state = 'originated' AND a.lease_until > clock_timestamp()
      AND c.campaign_id = $2 AND c.epoch = $4 AND c.status = 'ongoing' AND NOT c.retry_barred
      AND k.agent_id = $3 AND k.epoch = $4 AND k.status = 'ongoing' AND t.is_enabled
      AND NOT EXISTS (SELECT FROM suppression s WHERE s.workspace_id = $1 AND s.mobile_number = c.called_number)
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = $2) AND (f.agent_id IS NULL OR f.agent_id = $3)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
)
UPDATE dial_attempt a
SET lease_until = clock_timestamp() + make_interval(secs => $7)
WHERE a.workspace_id = $1 AND a.attempt_id = ANY(ARRAY(SELECT p.attempt_id FROM permitted p)) AND a.state = 'originated'
  AND a.call_id >= $8 AND a.call_id <= $9
RETURNING a.attempt_id

-- name: skip_suppressed
-- Right after the permit, under its locks, of the calls that it refused: those that only the suppression list forbids end
-- here. What an order has fenced stays with its order.
WITH suppressed AS MATERIALIZED (
    SELECT c.call_id
    FROM call c
    WHERE c.workspace_id = $1 AND c.call_id = ANY($5::uuid[]) AND c.call_id >= $6 AND c.call_id <= $7
      AND c.epoch = $4 AND c.status IN ('registered', 'retry')
      AND EXISTS (SELECT FROM campaign k WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.epoch = $4)
      AND EXISTS (SELECT FROM suppression s WHERE s.workspace_id = $1 AND s.mobile_number = c.called_number)
      AND NOT EXISTS (
          SELECT FROM number_fence f
          WHERE f.workspace_id = $1 AND f.called_number = c.called_number
            AND (f.campaign_id IS NULL OR f.campaign_id = $2) AND (f.agent_id IS NULL OR f.agent_id = $3)
            AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
      )
), skipped AS (
    UPDATE call c
    SET status = 'cancelled', sub_status = 'DND_SKIPPED', next_attempt_at = NULL, ended_at = clock_timestamp()
    WHERE c.workspace_id = $1 AND c.call_id = ANY(ARRAY(SELECT s.call_id FROM suppressed s)) AND c.call_id >= $6 AND c.call_id <= $7
      AND c.status IN ('registered', 'retry')
    RETURNING c.workspace_id, c.call_id, c.campaign_id, c.status, c.sub_status, c.last_attempt_at IS NULL AS was_registered
), tallied AS (
    INSERT INTO tally_step (workspace_id, campaign_id, epoch, begun_count, cancelled_count)
    SELECT $1, $2, $4, count(*) FILTER (WHERE x.was_registered), count(*)
    FROM skipped x
    WHERE EXISTS (SELECT FROM campaign k WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.is_tallied)
    HAVING count(*) > 0
), published AS (
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT
        x.workspace_id, w.event_type, x.call_id,
        jsonb_build_object('campaign_id', x.campaign_id, 'status', x.status, 'sub_status', x.sub_status)
    FROM skipped x
    CROSS JOIN events_of_an_end($1, $3, 'cancelled') w (event_type)
)
SELECT call_id FROM skipped

-- name: give_back_calls
-- Only for permits of this very transaction whose request has not left: the call waits as it did before.
WITH unsent AS MATERIALIZED (
    SELECT a.call_id, a.campaign_id
    FROM dial_attempt a
    WHERE a.workspace_id = $1 AND a.attempt_id = ANY($3::uuid[]) AND a.owner_id = $2 AND a.state = 'originated'
      AND a.call_id >= $4 AND a.call_id <= $5
), back AS (
    UPDATE call c
    SET status = CASE WHEN c.retries_used + c.congestion_count > 0 THEN 'retry' ELSE 'registered' END,
        sub_status = CASE WHEN c.retries_used + c.congestion_count > 0 THEN 'RETRY_SCHEDULED' ELSE 'QUEUED' END,
        next_attempt_at = statement_timestamp(),
        last_attempt_at = CASE WHEN c.retries_used + c.congestion_count > 0 THEN c.last_attempt_at END
    WHERE c.workspace_id = $1 AND c.call_id = ANY(ARRAY(SELECT u.call_id FROM unsent u)) AND c.call_id >= $4 AND c.call_id <= $5
    RETURNING c.campaign_id, c.epoch, c.status
), noted AS (
    INSERT INTO attempt_step (workspace_id, campaign_id, outcome, attempt_count)
    SELECT $1, u.campaign_id, 'dialled', -count(*) FROM unsent u GROUP BY u.campaign_id
)
-- Takes back what the permit of this very transaction has added; nobody has seen it.
INSERT INTO tally_step (workspace_id, campaign_id, epoch, begun_count)
SELECT $1, b.campaign_id, b.epoch, -count(*)
FROM back b
JOIN campaign k ON k.workspace_id = $1 AND k.campaign_id = b.campaign_id
WHERE b.status = 'registered' AND k.is_tallied
GROUP BY b.campaign_id, b.epoch

-- name: give_back_attempts
-- An attempt that never reached the wire was no attempt.
DELETE FROM dial_attempt a
WHERE a.workspace_id = $1 AND a.attempt_id = ANY($3::uuid[]) AND a.owner_id = $2
  AND a.call_id >= $4 AND a.call_id <= $5 AND a.state IN ('prepared', 'originated')

-- name: defer
-- A closed window, or a permit that was refused: nearly always behind a fence, where claiming it again before the sweeper
-- comes would only burn pace.
WITH locked AS MATERIALIZED (
    SELECT c.call_id, c.status
    FROM call c
    WHERE c.workspace_id = $1 AND c.call_id = ANY($2::uuid[]) AND c.call_id >= $4 AND c.call_id <= $5
    ORDER BY c.call_id
    FOR UPDATE OF c
)
UPDATE call c
SET next_attempt_at = i.until_at
FROM unnest($2::uuid[], $3::timestamptz[]) AS i (call_id, until_at)
JOIN locked l ON l.call_id = i.call_id AND l.status IN ('registered', 'retry')
WHERE c.workspace_id = $1 AND c.call_id = i.call_id AND c.call_id >= $4 AND c.call_id <= $5

-- name: record_rang
UPDATE dial_attempt a
SET state = 'ringing', rang_at = i.rang_at
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[]) AS i (workspace_id, attempt_id, rang_at, call_id)
WHERE a.workspace_id = i.workspace_id AND a.attempt_id = i.attempt_id AND a.call_id = i.call_id
  AND a.call_id >= $5 AND a.call_id <= $6 AND coalesce(a.state, '') = 'originated'

-- name: record_answered
WITH answered AS (
    UPDATE dial_attempt a
    SET state = 'answered', answered_at = i.answered_at
    FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[]) AS i (workspace_id, attempt_id, answered_at, call_id)
    WHERE a.workspace_id = i.workspace_id AND a.attempt_id = i.attempt_id AND a.call_id = i.call_id
      AND a.call_id >= $5 AND a.call_id <= $6
      AND coalesce(a.state, '') IN ('originated', 'ringing')
    RETURNING a.workspace_id, a.campaign_id
)
INSERT INTO attempt_step (workspace_id, campaign_id, outcome, attempt_count)
SELECT a.workspace_id, a.campaign_id, 'picked_up', count(*) FROM answered a GROUP BY a.workspace_id, a.campaign_id

-- name: record_driver_ids
UPDATE dial_attempt a
SET driver_call_id = i.driver_call_id
FROM unnest($2::uuid[], $3::text[], $4::uuid[]) AS i (attempt_id, driver_call_id, call_id)
WHERE a.workspace_id = $1 AND a.attempt_id = i.attempt_id AND a.call_id = i.call_id AND a.call_id >= $5 AND a.call_id <= $6

-- name: settle
-- A proposed retry becomes cancelled when the call's epoch is over, when its retry was barred, or when a number fence
-- covers it. A fence that commits after this statement's snapshot finds the call in retry: effectively cancelled, and
-- settled by the sweeper.
-- A call that is still registered or in retry here lost its permit's commit (the database died) but was dialled: it
-- takes the outcome too, unless a fence already made it cancelled for every reader. For such calls it runs after
-- lock_for_permit: no fence may rise between judging a pending call and commit.
WITH input AS (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::smallint[], $6::smallint[], $7::text[], $8::int[],
        $9::boolean[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::text[], $14::text[],
        $15::timestamptz[], $16::boolean[], $17::uuid[], $18::boolean[]
    ) AS i (
        workspace_id, attempt_id, call_id, disposition, sip_status, q850_cause, cause_text, talk_ms,
        voicemail_detected, rang_at, answered_at, released_at, status, sub_status, next_attempt_at, spends_retry,
        hung_up_by, is_answer_new
    )
), locked AS MATERIALIZED (
    SELECT
        c.workspace_id, c.call_id, c.campaign_id, c.epoch, c.status, c.retry_barred, c.termination_id, c.called_number,
        c.registered_xid
    FROM call c
    JOIN input i ON i.workspace_id = c.workspace_id AND i.call_id = c.call_id
    WHERE c.call_id >= $19 AND c.call_id <= $20
    ORDER BY c.call_id
    FOR UPDATE OF c
), over AS (
    UPDATE dial_attempt a
    SET state = CASE WHEN i.disposition = 'indeterminate' THEN 'indeterminate' ELSE 'released' END,
        originated_at = coalesce(a.originated_at, a.prepared_at),
        rang_at = coalesce(a.rang_at, i.rang_at),
        answered_at = coalesce(a.answered_at, i.answered_at),
        released_at = i.released_at,
        disposition = i.disposition,
        sip_status = i.sip_status,
        q850_cause = i.q850_cause,
        cause_text = i.cause_text
    FROM input i
    JOIN locked l ON l.workspace_id = i.workspace_id AND l.call_id = i.call_id
    WHERE a.workspace_id = i.workspace_id AND a.attempt_id = i.attempt_id AND a.call_id = i.call_id
      AND a.call_id >= $19 AND a.call_id <= $20
      AND coalesce(a.state, '') IN ('prepared', 'originated', 'ringing', 'answered')
    -- Everything that comes after is returned from here: a join back to the input knows no statistics and goes wrong.
    RETURNING i.*, l.status AS status_before, l.retry_barred, l.termination_id, l.epoch, l.campaign_id, l.called_number,
        l.registered_xid, a.answered_at IS NOT NULL AS was_answered
), noted AS (
    INSERT INTO attempt_step (workspace_id, campaign_id, outcome, attempt_count, answered_count, talk_ms)
    SELECT o.workspace_id, o.campaign_id, o.disposition, count(*), count(*) FILTER (WHERE o.was_answered),
        coalesce(sum(o.talk_ms) FILTER (WHERE o.was_answered), 0)
    FROM over o
    GROUP BY o.workspace_id, o.campaign_id, o.disposition
    UNION ALL
    SELECT o.workspace_id, o.campaign_id, 'picked_up', count(*), 0, 0
    FROM over o
    WHERE o.is_answer_new
    GROUP BY o.workspace_id, o.campaign_id
), judged AS (
    SELECT
        o.*, k.agent_id, k.is_tallied,
        (o.retry_barred OR o.epoch < k.epoch OR EXISTS (
            SELECT FROM number_fence f
            WHERE f.workspace_id = o.workspace_id AND f.called_number = o.called_number
              AND (f.campaign_id IS NULL OR f.campaign_id = o.campaign_id) AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
              AND pg_visible_in_snapshot(o.registered_xid, f.registered_in)
        )) AS is_fenced
    FROM over o
    JOIN campaign k ON k.workspace_id = o.workspace_id AND k.campaign_id = o.campaign_id
), decided AS (
    SELECT
        j.*,
        CASE WHEN j.status = 'retry' AND j.is_fenced THEN 'cancelled' ELSE j.status END AS final_status,
        f.termination_id AS fence_termination_id,
        f.sub_status AS fence_sub_status,
        -- On the wire when the order came, and settled before the sweeper could mark it: it is marked here.
        f.termination_id IS NOT NULL AND NOT j.retry_barred AND j.status_before = 'ongoing' AS is_newly_barred
    FROM judged j
    LEFT JOIN LATERAL (
        -- Behind two fences, a call belongs to the order that came first.
        SELECT u.termination_id, u.sub_status
        FROM (
            SELECT e.termination_id, e.sub_status, e.raised_at
            FROM campaign_fence e
            WHERE e.workspace_id = j.workspace_id AND e.campaign_id = j.campaign_id AND e.epoch = j.epoch
            UNION ALL
            SELECT n.termination_id, n.sub_status, n.raised_at
            FROM number_fence n
            WHERE n.workspace_id = j.workspace_id AND n.called_number = j.called_number
              AND (n.campaign_id IS NULL OR n.campaign_id = j.campaign_id)
              AND (n.agent_id IS NULL OR n.agent_id = j.agent_id)
              AND pg_visible_in_snapshot(j.registered_xid, n.registered_in)
        ) u
        ORDER BY u.raised_at, u.termination_id
        LIMIT 1
    ) f ON j.is_fenced
    WHERE j.status_before = 'ongoing' OR (j.status_before IN ('registered', 'retry') AND NOT j.is_fenced)
), settled AS (
    UPDATE call c
    SET status = d.final_status,
        sub_status = CASE
            -- Proposed only for what an order had released: its own word, whatever fence stood there before.
            WHEN d.status = 'cancelled' THEN d.sub_status
            WHEN d.final_status = 'cancelled' THEN coalesce(d.fence_sub_status, 'USER_TERMINATED')
            ELSE d.sub_status
        END,
        -- The locked version's order: constraints are checked before the update notices that its snapshot is older.
        termination_id = coalesce(d.termination_id, d.fence_termination_id, d.hung_up_by),
        retry_barred = d.retry_barred OR d.is_newly_barred,
        retries_used = c.retries_used + CASE WHEN d.spends_retry AND d.final_status = 'retry' THEN 1 ELSE 0 END,
        congestion_count = c.congestion_count
            + CASE WHEN NOT d.spends_retry AND d.final_status = 'retry' THEN 1 ELSE 0 END,
        talk_ms = CASE WHEN d.answered_at IS NOT NULL THEN d.talk_ms END,
        voicemail_detected = d.voicemail_detected,
        next_attempt_at = CASE WHEN d.final_status = 'retry' THEN d.next_attempt_at END,
        last_attempt_at = coalesce(c.last_attempt_at, d.released_at),
        ended_at = CASE WHEN d.final_status <> 'retry' THEN clock_timestamp() END
    FROM decided d
    WHERE c.workspace_id = d.workspace_id AND c.call_id = d.call_id AND c.call_id >= $19 AND c.call_id <= $20
    RETURNING c.workspace_id, c.call_id, c.campaign_id, c.status, c.sub_status, c.termination_id, d.agent_id, d.attempt_id,
        d.disposition, d.talk_ms, d.is_newly_barred, d.epoch, d.is_tallied, d.status_before
), tallied AS (
    INSERT INTO tally_step (
        workspace_id, campaign_id, epoch, begun_count, completed_count, failed_count, error_count, cancelled_count
    )
    SELECT s.workspace_id, s.campaign_id, s.epoch,
        count(*) FILTER (WHERE s.status_before = 'registered'), count(*) FILTER (WHERE s.status = 'completed'),
        count(*) FILTER (WHERE s.status = 'failed'), count(*) FILTER (WHERE s.status = 'error'),
        count(*) FILTER (WHERE s.status = 'cancelled')
    FROM settled s
    WHERE s.is_tallied AND (s.status <> 'retry' OR s.status_before = 'registered')
    GROUP BY s.workspace_id, s.campaign_id, s.epoch
), published AS (
    INSERT INTO outbox_event (workspace_id, event_type, call_id, payload)
    SELECT
        s.workspace_id, w.event_type, s.call_id,
        jsonb_build_object(
            'campaign_id', s.campaign_id, 'attempt_id', s.attempt_id, 'status', s.status, 'sub_status', s.sub_status,
            'disposition', s.disposition, 'talk_ms', s.talk_ms, 'termination_id', s.termination_id
        )
    FROM settled s
    CROSS JOIN LATERAL events_of_an_end(s.workspace_id, s.agent_id, s.status) w (event_type)
)
SELECT workspace_id, call_id, status, sub_status, CASE WHEN is_newly_barred THEN termination_id END AS barred_by FROM settled

-- name: renew_leases
-- SKIP LOCKED: an attempt that is being settled needs no lease, and waiting for it could cross its locks.
-- A lease that ran out may be renewed as long as nobody has rescued the attempt: its state says so.
UPDATE dial_attempt a
SET lease_until = clock_timestamp() + make_interval(secs => $3)
FROM (
    SELECT b.workspace_id, b.attempt_id, b.call_id
    FROM dial_attempt b
    WHERE (b.workspace_id, b.attempt_id, b.call_id) IN (SELECT * FROM unnest($4::uuid[], $2::uuid[], $5::uuid[]))
      AND b.call_id >= $6 AND b.call_id <= $7
      AND b.owner_id = $1 AND coalesce(b.state, '') IN ('prepared', 'originated', 'ringing', 'answered')
    FOR UPDATE SKIP LOCKED
) held
WHERE a.workspace_id = held.workspace_id AND a.attempt_id = held.attempt_id AND a.call_id = held.call_id
  AND a.call_id >= $6 AND a.call_id <= $7

-- name: add_barred
UPDATE termination SET retry_barred_count = retry_barred_count + $3 WHERE workspace_id = $1 AND termination_id = $2

-- name: releases_wanted
SELECT workspace_id, attempt_id, termination_id FROM release_wanted WHERE owner_id = $1 ORDER BY attempt_id LIMIT $2

-- name: releases_done
DELETE FROM release_wanted r
WHERE (r.workspace_id, r.attempt_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
