-- Real carriers: what a driver needs to know of its trunk, how the answered calls of an agent are handled.

ALTER TABLE trunk
    ADD COLUMN config jsonb NOT NULL DEFAULT '{}',
    -- Congestion: the pace that was left when it was last reduced; it climbs back with time (domain/pacing).
    ADD COLUMN reduced_cps double precision,
    ADD COLUMN reduced_at timestamptz,
    -- The breaker: attempts in a row that nothing came back for, and until when nobody tries.
    ADD COLUMN silent_count integer NOT NULL DEFAULT 0,
    ADD COLUMN silent_until timestamptz,
    -- What the driver last said, and what an operator should look at.
    ADD COLUMN is_up boolean,
    ADD COLUMN alarm text CHECK (length(alarm) <= 500),
    ADD COLUMN alarm_at timestamptz;

ALTER TABLE agent
    ADD COLUMN handling_kind text NOT NULL DEFAULT 'none'
        CHECK (handling_kind IN ('none', 'media_url', 'sip_uri', 'play')),
    ADD COLUMN handling_target text NOT NULL DEFAULT '',
    ADD COLUMN handling_is_failure_retried boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT handling_has_a_target CHECK ((handling_kind = 'none') = (handling_target = ''));

-- NOT VALID: old rows know no new word, and a scan of all attempts under this lock would stop dialling.
ALTER TABLE dial_attempt
    DROP CONSTRAINT known_disposition,
    ADD CONSTRAINT known_disposition CHECK (disposition IN (
        'answered', 'busy', 'no_answer', 'rejected', 'unwanted', 'invalid_number', 'congestion', 'network_failure',
        'trunk_refused', 'agent_failed', 'cancelled', 'indeterminate')) NOT VALID;

-- What carriers that report over HTTP have posted, until the process that owns the attempt takes it.
CREATE TABLE carrier_callback (
    workspace_id uuid NOT NULL,
    callback_id bigint GENERATED ALWAYS AS IDENTITY,
    trunk_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    -- Of the carrier's order of events; not every report has one.
    sequence_number integer,
    fields jsonb NOT NULL,
    -- Of the fields: a report that is posted twice waits once.
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, callback_id)
);
CREATE UNIQUE INDEX carrier_callback_once ON carrier_callback (workspace_id, attempt_id, fingerprint);
CREATE INDEX carrier_callback_by_owner ON carrier_callback (owner_id, callback_id);

-- A carrier's report names its trunk in the address, and no workspace.
CREATE INDEX trunk_by_id ON trunk (trunk_id);
