-- Erasing the data of persons, by number. Nothing that dials, ends, settles, serves or delivers looks here.

CREATE TABLE IF NOT EXISTS erasure (
    workspace_id uuid NOT NULL REFERENCES workspace,
    erasure_id uuid NOT NULL DEFAULT ordered_uuid(),
    api_key_id uuid NOT NULL,
    reason text CHECK (length(reason) <= 500),
    suppress boolean NOT NULL,
    suppressed_count integer NOT NULL DEFAULT 0,
    -- Until it is done; then the masked ones are all that is known.
    numbers text[],
    masked_numbers text[] NOT NULL CHECK (cardinality(masked_numbers) BETWEEN 1 AND 100),
    termination_id uuid,
    state text NOT NULL DEFAULT 'ordered' CHECK (state IN ('ordered', 'waiting', 'erasing', 'done')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When its pending calls had been terminated, and the transaction that knew it: what was registered before is covered.
    ordered_at timestamptz,
    ordered_xid xid8,
    begun_at timestamptz,
    ended_at timestamptz,
    -- When it is looked at next.
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    step text,
    place text NOT NULL DEFAULT '',
    first_call_id uuid,
    beyond_call_id uuid,
    read_count bigint NOT NULL DEFAULT 0,
    call_count bigint NOT NULL DEFAULT 0,
    attempt_count bigint NOT NULL DEFAULT 0,
    contact_count bigint NOT NULL DEFAULT 0,
    event_count bigint NOT NULL DEFAULT 0,
    words_count bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace_id, erasure_id),
    CONSTRAINT numbers_until_done CHECK ((state = 'done') = (numbers IS NULL)),
    CONSTRAINT done_iff_ended CHECK ((state = 'done') = (ended_at IS NOT NULL)),
    CONSTRAINT erasing_has_a_step CHECK ((state = 'erasing') = (step IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS erasure_unfinished ON erasure (workspace_id, erasure_id) WHERE state <> 'done';
