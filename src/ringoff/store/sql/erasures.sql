-- Erasing persons by number. Calls that have ended become rows of nobody; everything else keeps its meaning and loses the number.
-- Every batch is one short transaction that also writes down how far it is: whoever dies in the middle loses a batch.

-- name: has_table
-- While servers of an older version are replaced, the schema may still be theirs.
SELECT to_regclass('erasure') IS NOT NULL

-- name: steer
-- A handful of keys is looked up key by key; a plan that hashes or merges reads whole tables.
-- Words are read by this process, which may take longer than a loop that dials may stand still; no permit waits behind it.
SELECT set_config('enable_mergejoin', 'off', true), set_config('enable_hashjoin', $1, true),
    set_config('idle_in_transaction_session_timeout', '10000', true)

-- name: add
INSERT INTO erasure (workspace_id, api_key_id, reason, suppress, numbers, masked_numbers)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING erasure_id

-- name: count_suppressed
UPDATE erasure SET suppressed_count = $3 WHERE workspace_id = $1 AND erasure_id = $2

-- name: explain_suppressions
-- Also those that were there before: what somebody wrote about the person goes.
UPDATE suppression SET reason = $3, api_key_id = NULL, termination_id = NULL
WHERE workspace_id = $1 AND mobile_number = ANY($2::text[])

-- name: ordered
UPDATE erasure
SET state = 'waiting', termination_id = $3, ordered_at = clock_timestamp(), ordered_xid = pg_current_xact_id(),
    due_at = clock_timestamp()
WHERE workspace_id = $1 AND erasure_id = $2 AND state = 'ordered'

-- name: erasure
SELECT * FROM erasure WHERE workspace_id = $1 AND erasure_id = $2

-- name: erasures_below
SELECT * FROM erasure
WHERE workspace_id = $1 AND erasure_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY erasure_id DESC
LIMIT $3

-- name: next_workspace
-- The oldest unfinished erasure of a workspace stands for all of them: two processes never work for one workspace.
SELECT e.workspace_id
FROM erasure e
WHERE e.state <> 'done' AND e.due_at <= clock_timestamp()
  AND NOT EXISTS (
      SELECT FROM erasure o
      WHERE o.workspace_id = e.workspace_id AND o.state <> 'done' AND o.erasure_id < e.erasure_id
  )
ORDER BY e.due_at
LIMIT 1
FOR UPDATE OF e SKIP LOCKED

-- name: unfinished
SELECT * FROM erasure WHERE workspace_id = $1 AND state <> 'done' ORDER BY erasure_id LIMIT $2

-- name: begin_to_write
-- From now on this transaction is older than every order that it does not see: such an order waits for it, and covers what it wrote.
SELECT pg_current_xact_id()::text

-- name: numbers_being_erased
SELECT coalesce(array_agg(n.number), '{}')
FROM erasure e
CROSS JOIN LATERAL unnest(e.numbers) AS n (number)
WHERE e.workspace_id = $1 AND e.state <> 'done'

-- name: is_stale
-- Whoever ordered it has had its time to terminate: it has died.
SELECT created_at < clock_timestamp() - make_interval(secs => $3) FROM erasure WHERE workspace_id = $1 AND erasure_id = $2

-- name: hindrances
SELECT
    ARRAY(
        SELECT v.call_id
        FROM call c
        JOIN call_effective v ON v.workspace_id = c.workspace_id AND v.call_id = c.call_id
        WHERE c.workspace_id = $1 AND c.called_number = ANY(e.numbers) AND c.status IN ('registered', 'retry')
          AND c.registered_xid < e.ordered_xid AND v.status IN ('registered', 'retry')
        LIMIT 100
    ) AS pending,
    EXISTS (
        SELECT FROM call c
        WHERE c.workspace_id = $1 AND c.called_number = ANY(e.numbers) AND c.status IN ('registered', 'retry', 'ongoing')
          AND c.registered_xid < e.ordered_xid
    )
    -- A request may be on the wire although its call was ended by an order.
    OR EXISTS (
        SELECT FROM dial_attempt a
        JOIN call c ON c.workspace_id = a.workspace_id AND c.call_id = a.call_id
        WHERE a.workspace_id = $1 AND a.state IN ('prepared', 'originated', 'ringing', 'answered')
          AND c.called_number = ANY(e.numbers)
    )
    -- These find their calls by the number.
    OR EXISTS (SELECT FROM number_fence f WHERE f.workspace_id = $1 AND f.called_number = ANY(e.numbers))
    -- The calls of these are still to be registered.
    OR EXISTS (
        SELECT FROM list_upload u WHERE u.workspace_id = $1 AND u.state = 'verifying' AND u.uploaded_xid < e.ordered_xid
    )
    -- What was under way when the order was given may still write.
    OR pg_snapshot_xmin(pg_current_snapshot()) <= e.ordered_xid AS is_blocked
FROM erasure e
WHERE e.workspace_id = $1 AND e.erasure_id = $2

-- name: put_off
UPDATE erasure SET due_at = clock_timestamp() + make_interval(secs => $2) WHERE workspace_id = $1 AND state <> 'done'

-- name: begin_walk
UPDATE erasure
SET state = 'erasing', step = $3, place = '', begun_at = clock_timestamp(), due_at = clock_timestamp(),
    first_call_id = (SELECT c.call_id FROM call c WHERE c.workspace_id = $1 ORDER BY c.call_id LIMIT 1),
    -- What is registered from now on is not of this erasure.
    beyond_call_id = ordered_uuid_floor(clock_timestamp() + interval '1 millisecond')
WHERE workspace_id = $1 AND erasure_id = ANY($2::uuid[]) AND state = 'waiting'

-- name: advance
UPDATE erasure e
SET step = $3, place = $4, read_count = e.read_count + $5, due_at = clock_timestamp(),
    call_count = e.call_count + n.call_count, attempt_count = e.attempt_count + n.attempt_count,
    contact_count = e.contact_count + n.contact_count, event_count = e.event_count + n.event_count,
    words_count = e.words_count + n.words_count
FROM unnest($2::uuid[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])
    AS n (erasure_id, call_count, attempt_count, contact_count, event_count, words_count)
WHERE e.workspace_id = $1 AND e.erasure_id = n.erasure_id AND e.state = 'erasing'

-- name: finish
UPDATE erasure
SET state = 'done', numbers = NULL, step = NULL, place = '', ended_at = clock_timestamp()
WHERE workspace_id = $1 AND erasure_id = ANY($2::uuid[]) AND state = 'erasing'

-- name: erase_calls
-- By the primary key, which is in the order of registration and so in the order of the table and of its partitions. A call that is
-- open again by now was registered after the order: it is not touched.
WITH page AS MATERIALIZED (
    SELECT c.call_id, c.called_number
    FROM call c
    WHERE c.workspace_id = $1 AND c.call_id > $2 AND c.call_id < $3
    ORDER BY c.call_id
    LIMIT $5
), named AS MATERIALIZED (
    -- By a hash: there may be thousands of numbers.
    SELECT p.call_id, p.called_number FROM page p WHERE p.called_number IN (SELECT n FROM unnest($4::text[]) AS n)
), erased AS (
    UPDATE call c
    SET called_number = 'erased'
    WHERE c.workspace_id = $1 AND c.call_id > $2 AND c.call_id < $3 AND c.call_id = ANY(ARRAY(SELECT n.call_id FROM named n))
      AND c.status IN ('completed', 'failed', 'error', 'cancelled')
    RETURNING c.call_id, c.campaign_id, c.contact_id
)
SELECT
    (SELECT count(*) FROM page) AS read_count,
    (SELECT p.call_id FROM page p ORDER BY p.call_id DESC LIMIT 1) AS last_call_id,
    ARRAY(SELECT e.call_id FROM erased e ORDER BY e.call_id) AS call_ids,
    ARRAY(SELECT e.campaign_id FROM erased e ORDER BY e.call_id) AS campaign_ids,
    ARRAY(SELECT e.contact_id FROM erased e ORDER BY e.call_id) AS contact_ids,
    ARRAY(SELECT n.called_number FROM erased e JOIN named n ON n.call_id = e.call_id ORDER BY e.call_id) AS numbers

-- name: erase_contacts_of_calls
UPDATE contact t
SET called_number = 'erased', callee_name = 'erased', custom_args = '{}'
FROM (SELECT DISTINCT x.campaign_id, x.contact_id FROM unnest($2::uuid[], $3::bigint[]) AS x (campaign_id, contact_id)) n
WHERE t.workspace_id = $1 AND t.campaign_id = n.campaign_id AND t.contact_id = n.contact_id AND t.called_number <> 'erased'

-- name: erase_attempts
-- The carrier's own name of the call would find the person there; what the wire said in words may name the number. Its codes stay.
UPDATE dial_attempt a
SET driver_call_id = NULL, cause_text = NULL
FROM unnest($2::uuid[]) AS n (call_id)
WHERE a.workspace_id = $1 AND a.call_id = n.call_id AND (a.driver_call_id IS NOT NULL OR a.cause_text IS NOT NULL)

-- name: erase_reports_of_calls
DELETE FROM carrier_callback k
USING unnest($2::uuid[]) AS n (call_id), dial_attempt a
WHERE a.workspace_id = $1 AND a.call_id = n.call_id AND k.workspace_id = $1 AND k.attempt_id = a.attempt_id

-- name: erase_answers_of_subscribers
-- Also where there is no answer yet: who delivers may have the number in memory, and the answer may repeat it after the last batch.
-- Whoever claims or records one of these at this moment is waited for; what is recorded later finds the mark.
UPDATE webhook_delivery d
SET excerpt = 'erased'
FROM unnest($2::uuid[]) AS n (call_id), outbox_event e, event_subscription s
WHERE e.workspace_id = $1 AND e.call_id = n.call_id AND s.workspace_id = $1
  AND d.workspace_id = $1 AND d.subscription_id = s.subscription_id AND d.event_id = e.event_id
  AND (d.state = 'pending' OR d.excerpt IS NOT NULL) AND d.excerpt IS DISTINCT FROM 'erased'

-- name: erase_callbacks
-- The address that a request gave for its one call may name the person: it goes, and with it what was still to be told there.
WITH gone AS (
    DELETE FROM status_callback b
    USING unnest($2::uuid[]) AS n (call_id)
    WHERE b.workspace_id = $1 AND b.subject_id = n.call_id
    RETURNING b.subject_id, b.subscription_id
), untold AS (
    UPDATE webhook_delivery d
    SET state = 'dropped', excerpt = 'erased'
    FROM gone g, outbox_event e
    WHERE e.workspace_id = $1 AND e.call_id = g.subject_id AND d.workspace_id = $1 AND d.subscription_id = g.subscription_id
      AND d.event_id = e.event_id AND d.state = 'pending'
)
SELECT count(*) FROM gone

-- name: erase_contacts
-- Contacts whose calls are gone already. One whose call is open belongs to calls that were registered after the order.
WITH page AS MATERIALIZED (
    SELECT t.campaign_id, t.contact_id, t.called_number
    FROM contact t
    WHERE t.workspace_id = $1 AND (t.campaign_id, t.contact_id) > ($2, $3)
    ORDER BY t.campaign_id, t.contact_id
    LIMIT $5
), named AS MATERIALIZED (
    SELECT p.* FROM page p WHERE p.called_number IN (SELECT n FROM unnest($4::text[]) AS n)
), erased AS (
    UPDATE contact t
    SET called_number = 'erased', callee_name = 'erased', custom_args = '{}'
    FROM named p
    WHERE t.workspace_id = $1 AND t.campaign_id = p.campaign_id AND t.contact_id = p.contact_id
      AND NOT EXISTS (
          SELECT FROM call c
          WHERE c.workspace_id = $1 AND c.called_number = p.called_number AND c.status IN ('registered', 'retry', 'ongoing')
            AND c.campaign_id = p.campaign_id AND c.contact_id = p.contact_id
      )
    RETURNING p.called_number
)
SELECT
    (SELECT count(*) FROM page) AS read_count,
    (SELECT p.campaign_id::text || ' ' || p.contact_id FROM page p ORDER BY p.campaign_id DESC, p.contact_id DESC LIMIT 1) AS last_place,
    ARRAY(SELECT e.called_number FROM erased e) AS numbers

-- Tables with words in them: a page of keys with what may hold a number, null where there is nothing to look at; and how the words
-- are written back. Words that were changed meanwhile are left: the change was made after the order.

-- name: events_page
-- The events of calls hold no number: it is looked up when they are delivered.
SELECT e.event_id::text AS key, CASE WHEN e.call_id IS NULL THEN e.payload END AS words
FROM outbox_event e
WHERE e.workspace_id = $1 AND e.event_id > coalesce(nullif($2, '')::bigint, 0)
ORDER BY e.event_id
LIMIT $3

-- name: events_write
WITH changed AS (
    UPDATE outbox_event SET payload = $4 WHERE workspace_id = $1 AND event_id = $2::text::bigint AND payload = $3
    RETURNING event_id
)
UPDATE webhook_delivery d
SET excerpt = 'erased'
FROM changed c, event_subscription s
WHERE s.workspace_id = $1 AND d.workspace_id = $1 AND d.subscription_id = s.subscription_id AND d.event_id = c.event_id
  AND (d.state = 'pending' OR d.excerpt IS NOT NULL)

-- name: orders_page
SELECT t.termination_id::text AS key, jsonb_build_object('selector', t.selector, 'reason', t.reason) AS words
FROM termination t
WHERE t.workspace_id = $1 AND t.termination_id > coalesce(nullif($2, ''), '00000000-0000-0000-0000-000000000000')::uuid
ORDER BY t.termination_id
LIMIT $3

-- name: orders_write
UPDATE termination
SET selector = $4::jsonb -> 'selector', reason = $4::jsonb ->> 'reason'
WHERE workspace_id = $1 AND termination_id = $2::text::uuid
  AND jsonb_build_object('selector', selector, 'reason', reason) = $3::jsonb

-- name: answers_page
SELECT i.idempotency_key AS key, i.answer AS words
FROM idempotency_key i
WHERE i.workspace_id = $1 AND i.idempotency_key > $2
ORDER BY i.idempotency_key
LIMIT $3

-- name: answers_write
UPDATE idempotency_key SET answer = $4 WHERE workspace_id = $1 AND idempotency_key = $2 AND answer = $3

-- name: reports_page
SELECT k.callback_id::text AS key, k.fields AS words
FROM carrier_callback k
WHERE k.workspace_id = $1 AND k.callback_id > coalesce(nullif($2, '')::bigint, 0)
ORDER BY k.callback_id
LIMIT $3

-- name: reports_write
-- Nobody waits for it any more: what is on the wire has ended.
DELETE FROM carrier_callback
WHERE workspace_id = $1 AND callback_id = $2::text::bigint AND fields = $3 AND $4::jsonb IS NOT NULL

-- name: lists_page
SELECT u.campaign_id::text AS key, jsonb_build_object('faults', u.faults, 'failure', u.failure) AS words
FROM list_upload u
WHERE u.workspace_id = $1 AND u.campaign_id > coalesce(nullif($2, ''), '00000000-0000-0000-0000-000000000000')::uuid
ORDER BY u.campaign_id
LIMIT $3

-- name: lists_write
UPDATE list_upload
SET faults = $4::jsonb -> 'faults', failure = $4::jsonb ->> 'failure'
WHERE workspace_id = $1 AND campaign_id = $2::text::uuid AND jsonb_build_object('faults', faults, 'failure', failure) = $3::jsonb

-- name: trunks_page
SELECT t.trunk_id::text AS key, to_jsonb(t.alarm) AS words
FROM trunk t
WHERE t.workspace_id = $1 AND t.trunk_id > coalesce(nullif($2, ''), '00000000-0000-0000-0000-000000000000')::uuid
ORDER BY t.trunk_id
LIMIT $3

-- name: trunks_write
UPDATE trunk SET alarm = $4::jsonb #>> '{}'
WHERE workspace_id = $1 AND trunk_id = $2::text::uuid AND to_jsonb(alarm) = $3::jsonb

-- name: subscriptions_page
SELECT s.subscription_id::text AS key, to_jsonb(s.alarm) AS words
FROM event_subscription s
WHERE s.workspace_id = $1 AND s.subscription_id > coalesce(nullif($2, ''), '00000000-0000-0000-0000-000000000000')::uuid
ORDER BY s.subscription_id
LIMIT $3

-- name: subscriptions_write
UPDATE event_subscription SET alarm = $4::jsonb #>> '{}'
WHERE workspace_id = $1 AND subscription_id = $2::text::uuid AND to_jsonb(alarm) = $3::jsonb

-- name: suppressions_page
-- The number itself stays: that is the point.
SELECT s.mobile_number AS key, to_jsonb(s.reason) AS words
FROM suppression s
WHERE s.workspace_id = $1 AND s.mobile_number > $2
ORDER BY s.mobile_number
LIMIT $3

-- name: suppressions_write
UPDATE suppression SET reason = $4::jsonb #>> '{}'
WHERE workspace_id = $1 AND mobile_number = $2 AND to_jsonb(reason) = $3::jsonb
