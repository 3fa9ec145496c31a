-- Receipts that can be paged, hang-ups, suppressed numbers, subscriptions, and answers that can be replayed.

ALTER TABLE termination
    ADD COLUMN ongoing text NOT NULL DEFAULT 'finish' CHECK (ongoing IN ('finish', 'hangup')),
    ADD COLUMN suppress boolean NOT NULL DEFAULT false,
    ADD COLUMN left_ongoing_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN hung_up_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN suppressed_count integer NOT NULL DEFAULT 0;

-- What the first release counted as barred were the calls that it left on the wire.
UPDATE termination SET left_ongoing_count = retry_barred_count;

-- One order of an agent with thousands of campaigns writes thousands of fences, and each foreign key looks up its row again:
-- 40 ms of the 105 for 5,000 campaigns. Two statements write fences, from rows that they hold; an invariant looks after them.
ALTER TABLE campaign_fence
    DROP CONSTRAINT campaign_fence_workspace_id_campaign_id_fkey,
    DROP CONSTRAINT campaign_fence_workspace_id_termination_id_fkey;

-- The calls of a receipt, page by page.
CREATE INDEX call_by_termination ON call (workspace_id, termination_id, call_id) WHERE termination_id IS NOT NULL;
-- A fence of the first release counted the calls on the wire before it marked any. What still settles is counted from now on where
-- it is marked, so it begins with what is marked.
UPDATE termination t
SET retry_barred_count = (
    SELECT count(*)
    FROM call c
    WHERE c.workspace_id = t.workspace_id AND c.termination_id = t.termination_id AND c.retry_barred
)
WHERE t.state = 'settling';
-- A preview tells registered from retry without reading ten million rows: all pending ones are counted in call_due.
CREATE INDEX call_in_retry ON call (campaign_id, epoch) WHERE status = 'retry';

-- Numbers that must not be rung. Judged by the permit, so it does not matter how a call came to be registered.
CREATE TABLE suppression (
    workspace_id uuid NOT NULL REFERENCES workspace,
    mobile_number text NOT NULL CHECK (mobile_number ~ '^\+[1-9][0-9]{5,14}$'),
    reason text CHECK (length(reason) <= 500),
    api_key_id uuid,
    termination_id uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, mobile_number)
);

-- Who wants to hear of what: without a row here no event is written. A null agent means every agent of the workspace.
CREATE TABLE event_subscription (
    workspace_id uuid NOT NULL REFERENCES workspace,
    event_type text NOT NULL,
    agent_id uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (workspace_id, agent_id) REFERENCES agent,
    UNIQUE NULLS NOT DISTINCT (workspace_id, event_type, agent_id)
);

-- An event about an order belongs to no call.
ALTER TABLE outbox_event ALTER COLUMN call_id DROP NOT NULL;

-- Attempts that an order wants released. Written in the order's transaction, read by the process that holds the attempt.
CREATE TABLE release_wanted (
    workspace_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    termination_id uuid NOT NULL,
    wanted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, attempt_id)
);
CREATE INDEX release_wanted_by_owner ON release_wanted (owner_id);

-- The answer to an order that came with an Idempotency-Key, kept for 24 hours.
CREATE TABLE idempotency_key (
    workspace_id uuid NOT NULL REFERENCES workspace,
    idempotency_key text NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    -- Both are filled in by the transaction that made the row: nobody else ever sees it without them.
    termination_id uuid,
    answer jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, idempotency_key)
);
CREATE INDEX idempotency_key_by_age ON idempotency_key (created_at);

-- What the event that closes an order says; in one place, because two statements close orders.
CREATE FUNCTION termination_payload(t termination) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
RETURN jsonb_build_object(
    'termination_id', t.termination_id, 'level', t.level, 'selector', t.selector, 'reason', t.reason,
    'ongoing', t.ongoing, 'created_at', t.created_at, 'settled_at', t.settled_at,
    'cancelled_count', t.cancelled_count, 'left_ongoing_count', t.left_ongoing_count,
    'retry_barred_count', t.retry_barred_count, 'hung_up_count', t.hung_up_count
);

-- The smallest ordered_uuid() of an instant: a range of time over a primary key.
CREATE FUNCTION ordered_uuid_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN encode(
    substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3) || '\x70008000000000000000'::bytea, 'hex'
)::uuid;
