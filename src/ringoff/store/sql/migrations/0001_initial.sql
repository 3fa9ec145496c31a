-- The whole schema of the first release. workspace_id leads every key, so that a PostgreSQL that
-- shards by tenant can take it as it is.

-- Time-ordered ids (RFC 9562, version 7) keep the big primary keys append-only. PostgreSQL 18 has them built in;
-- before that the same layout is put together from a random UUID.
DO $migration$
BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN
        EXECUTE 'CREATE FUNCTION ordered_uuid() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS ''SELECT uuidv7()''';
    ELSE
        EXECUTE $function$
            CREATE FUNCTION ordered_uuid() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $body$
                SELECT encode(
                    set_bit(
                        set_bit(
                            overlay(
                                uuid_send(gen_random_uuid())
                                PLACING substring(
                                    int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3
                                )
                                FROM 1 FOR 6
                            ),
                            52, 1
                        ),
                        53, 1
                    ),
                    'hex'
                )::uuid
            $body$
        $function$;
    END IF;
END
$migration$;

-- One 64-bit key space for all advisory locks; a collision of two ids only costs a wait. The workspace is part of the
-- key, so that nobody can hold up another tenant's permits by naming its ids.
CREATE FUNCTION lock_key(kind text, of_workspace uuid, id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(kind || ':' || of_workspace::text || ':' || id::text, 0);

CREATE TABLE workspace (
    workspace_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE api_key (
    workspace_id uuid NOT NULL REFERENCES workspace,
    api_key_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    key_hash bytea NOT NULL CHECK (length(key_hash) = 32),
    prefix text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at timestamptz,
    PRIMARY KEY (workspace_id, api_key_id)
);
-- The one look-up without a workspace: the key is what tells the workspace.
CREATE UNIQUE INDEX api_key_by_hash ON api_key (key_hash);

CREATE TABLE agent (
    workspace_id uuid NOT NULL REFERENCES workspace,
    agent_id uuid NOT NULL DEFAULT gen_random_uuid(),
    display_name text NOT NULL CHECK (display_name <> ''),
    agent_type text NOT NULL CHECK (agent_type IN ('inbound', 'outbound', 'outbound_inbound')),
    primary_language text NOT NULL,
    custom_variables text[] NOT NULL DEFAULT '{}',
    config jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, agent_id)
);

CREATE TABLE trunk (
    workspace_id uuid NOT NULL REFERENCES workspace,
    trunk_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name <> ''),
    driver text NOT NULL CHECK (driver <> ''),
    cps_max double precision NOT NULL CHECK (cps_max > 0),
    channels_max integer NOT NULL CHECK (channels_max > 0),
    is_enabled boolean NOT NULL DEFAULT true,
    slowed_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, trunk_id)
);

-- The pace lives here: one row for each claim, read back as a sliding log under the trunk's lock.
CREATE TABLE pace_grant (
    workspace_id uuid NOT NULL,
    trunk_id uuid NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    grant_count integer NOT NULL CHECK (grant_count > 0)
);
CREATE INDEX pace_grant_recent ON pace_grant (workspace_id, trunk_id, granted_at DESC);

CREATE TABLE number (
    workspace_id uuid NOT NULL REFERENCES workspace,
    number_id uuid NOT NULL DEFAULT gen_random_uuid(),
    number text NOT NULL CHECK (number ~ '^\+[1-9][0-9]{5,14}$'),
    display_name text,
    trunk_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, number_id),
    FOREIGN KEY (workspace_id, trunk_id) REFERENCES trunk,
    CONSTRAINT one_number_per_workspace UNIQUE (workspace_id, number)
);

-- kind 'individual' is the hidden campaign that holds the individual calls of one agent on one trunk.
CREATE TABLE campaign (
    workspace_id uuid NOT NULL REFERENCES workspace,
    campaign_id uuid NOT NULL DEFAULT ordered_uuid(),
    agent_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('list', 'individual')),
    name text NOT NULL,
    status text NOT NULL CHECK (status IN ('draft', 'scheduled', 'ongoing', 'completed', 'terminated')),
    epoch integer NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    trunk_id uuid,
    calling_numbers text[] NOT NULL DEFAULT '{}',
    call_config jsonb NOT NULL,
    variables_map jsonb NOT NULL DEFAULT '{}',
    start_at timestamptz,
    end_at timestamptz,
    total_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, campaign_id),
    FOREIGN KEY (workspace_id, agent_id) REFERENCES agent,
    FOREIGN KEY (workspace_id, trunk_id) REFERENCES trunk,
    CONSTRAINT started_means_dialable CHECK (status NOT IN ('scheduled', 'ongoing') OR trunk_id IS NOT NULL),
    CONSTRAINT individual_is_always_ongoing CHECK (kind = 'list' OR status = 'ongoing'),
    CONSTRAINT ends_after_start CHECK (end_at > start_at)
);
CREATE UNIQUE INDEX one_individual_campaign_per_agent_and_trunk
    ON campaign (workspace_id, agent_id, trunk_id) WHERE kind = 'individual';
CREATE INDEX campaign_by_agent ON campaign (workspace_id, agent_id);
CREATE INDEX campaign_active ON campaign (workspace_id, campaign_id) WHERE status IN ('scheduled', 'ongoing');

-- Contact data: what the upload (or the individual request) said about one person to ring. Written once.
CREATE TABLE contact (
    workspace_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    contact_id bigint GENERATED ALWAYS AS IDENTITY,
    called_number text NOT NULL,
    callee_name text NOT NULL,
    custom_args jsonb NOT NULL,
    line_no integer,
    PRIMARY KEY (workspace_id, campaign_id, contact_id)
);

CREATE TABLE termination (
    workspace_id uuid NOT NULL REFERENCES workspace,
    termination_id uuid NOT NULL DEFAULT ordered_uuid(),
    level text NOT NULL,
    selector jsonb NOT NULL,
    reason text CHECK (length(reason) <= 500),
    api_key_id uuid,
    state text NOT NULL DEFAULT 'settling' CHECK (state IN ('settling', 'settled')),
    cancelled_count bigint NOT NULL DEFAULT 0,
    retry_barred_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    PRIMARY KEY (workspace_id, termination_id),
    FOREIGN KEY (workspace_id, api_key_id) REFERENCES api_key,
    CONSTRAINT settled_iff_settled_at CHECK ((state = 'settled') = (settled_at IS NOT NULL))
);
CREATE INDEX termination_settling ON termination (workspace_id, termination_id) WHERE state = 'settling';

-- A fence on a campaign: calls of this epoch (or an older one) are terminated. Never removed: it says which order it was.
CREATE TABLE campaign_fence (
    workspace_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    epoch integer NOT NULL,
    termination_id uuid NOT NULL,
    sub_status text NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    swept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    PRIMARY KEY (workspace_id, campaign_id, epoch),
    FOREIGN KEY (workspace_id, campaign_id) REFERENCES campaign,
    FOREIGN KEY (workspace_id, termination_id) REFERENCES termination
);
CREATE INDEX campaign_fence_unsettled ON campaign_fence (swept_at) WHERE settled_at IS NULL;
CREATE INDEX campaign_fence_by_termination ON campaign_fence (workspace_id, termination_id);

-- A fence on a number that has very many calls: covers the calls whose registration was visible when it was raised.
-- Removed when the last covered row is settled, so that this table is empty nearly always.
CREATE TABLE number_fence (
    workspace_id uuid NOT NULL,
    called_number text NOT NULL,
    termination_id uuid NOT NULL,
    campaign_id uuid,
    agent_id uuid,
    registered_in pg_snapshot NOT NULL,
    sub_status text NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    swept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, called_number, termination_id),
    FOREIGN KEY (workspace_id, termination_id) REFERENCES termination
);
CREATE INDEX number_fence_by_termination ON number_fence (workspace_id, termination_id);

CREATE TABLE call (
    workspace_id uuid NOT NULL,
    call_id uuid NOT NULL DEFAULT ordered_uuid(),
    campaign_id uuid NOT NULL,
    contact_id bigint NOT NULL,
    epoch integer NOT NULL,
    called_number text NOT NULL,
    status text NOT NULL DEFAULT 'registered',
    sub_status text NOT NULL DEFAULT 'QUEUED',
    retry_barred boolean NOT NULL DEFAULT false,
    voicemail_detected boolean NOT NULL DEFAULT false,
    retries_used smallint NOT NULL DEFAULT 0,
    congestion_count smallint NOT NULL DEFAULT 0,
    talk_ms integer,
    next_attempt_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_attempt_at timestamptz,
    ended_at timestamptz,
    registered_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    termination_id uuid,
    calling_number text,
    call_config jsonb,
    PRIMARY KEY (workspace_id, call_id),
    CONSTRAINT known_status
        CHECK (status IN ('registered', 'ongoing', 'retry', 'completed', 'failed', 'error', 'cancelled')),
    CONSTRAINT pending_iff_next_attempt CHECK ((status IN ('registered', 'retry')) = (next_attempt_at IS NOT NULL)),
    CONSTRAINT ended_iff_terminal
        CHECK ((status IN ('completed', 'failed', 'error', 'cancelled')) = (ended_at IS NOT NULL)),
    CONSTRAINT dialled_if_past_registered
        CHECK (status NOT IN ('ongoing', 'retry', 'completed') OR last_attempt_at IS NOT NULL),
    -- Also set on an ongoing call that was left to end by itself: it is on the receipt.
    CONSTRAINT terminated_names_the_order CHECK (sub_status <> 'USER_TERMINATED' OR termination_id IS NOT NULL),
    CONSTRAINT barred_names_the_order CHECK (NOT retry_barred OR termination_id IS NOT NULL)
);
CREATE INDEX call_due ON call (campaign_id, epoch, next_attempt_at) WHERE status IN ('registered', 'retry');
CREATE INDEX call_ongoing ON call (campaign_id, epoch) WHERE status = 'ongoing';
CREATE INDEX call_open_by_number ON call (workspace_id, called_number)
    WHERE status IN ('registered', 'retry', 'ongoing');
CREATE INDEX call_by_time ON call (workspace_id, created_at);
CREATE INDEX call_by_campaign ON call (workspace_id, campaign_id, call_id);

-- Prepared is committed before anything leaves: whatever happens next, this row says that it may have rung.
CREATE TABLE dial_attempt (
    workspace_id uuid NOT NULL,
    attempt_id uuid NOT NULL DEFAULT ordered_uuid(),
    call_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    trunk_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'prepared',
    lease_until timestamptz NOT NULL,
    calling_number text NOT NULL,
    driver_call_id text,
    prepared_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    originated_at timestamptz,
    rang_at timestamptz,
    answered_at timestamptz,
    released_at timestamptz,
    disposition text,
    sip_status smallint,
    q850_cause smallint,
    cause_text text,
    PRIMARY KEY (workspace_id, attempt_id),
    CONSTRAINT known_state
        CHECK (state IN ('prepared', 'originated', 'ringing', 'answered', 'released', 'indeterminate')),
    CONSTRAINT known_disposition CHECK (disposition IN (
        'answered', 'busy', 'no_answer', 'rejected', 'unwanted', 'invalid_number', 'congestion', 'network_failure',
        'trunk_refused', 'cancelled', 'indeterminate')),
    CONSTRAINT over_iff_released CHECK ((state IN ('released', 'indeterminate')) = (released_at IS NOT NULL)),
    CONSTRAINT over_iff_disposition CHECK ((state IN ('released', 'indeterminate')) = (disposition IS NOT NULL)),
    CONSTRAINT on_wire_iff_originated
        CHECK (state IN ('prepared', 'indeterminate') OR originated_at IS NOT NULL)
);
CREATE UNIQUE INDEX one_live_attempt_per_call ON dial_attempt (workspace_id, call_id)
    WHERE state IN ('prepared', 'originated', 'ringing', 'answered');
CREATE INDEX dial_attempt_live ON dial_attempt (workspace_id, trunk_id)
    WHERE state IN ('prepared', 'originated', 'ringing', 'answered');
CREATE INDEX dial_attempt_by_call ON dial_attempt (workspace_id, call_id);
CREATE INDEX dial_attempt_by_calling_number ON dial_attempt (workspace_id, calling_number);

CREATE TABLE outbox_event (
    workspace_id uuid NOT NULL,
    event_id bigint GENERATED ALWAYS AS IDENTITY,
    event_type text NOT NULL,
    call_id uuid NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, event_id)
);
CREATE INDEX outbox_event_by_age ON outbox_event (created_at);
CREATE INDEX outbox_event_by_call ON outbox_event (workspace_id, call_id);

-- The one definition of effective status: what every reader sees. A call behind a fence is cancelled from the
-- commit of the order on, whether or not the sweeper has reached its row.
CREATE VIEW call_effective AS
SELECT
    c.workspace_id,
    c.call_id,
    c.campaign_id,
    c.contact_id,
    c.called_number,
    CASE WHEN fence.covers THEN 'cancelled' ELSE c.status END AS status,
    CASE WHEN fence.covers THEN fence.sub_status ELSE c.sub_status END AS sub_status,
    c.voicemail_detected,
    c.retries_used,
    c.talk_ms,
    CASE WHEN fence.covers THEN NULL ELSE c.next_attempt_at END AS next_attempt_at,
    c.created_at,
    c.last_attempt_at,
    CASE WHEN fence.covers THEN fence.raised_at ELSE c.ended_at END AS ended_at,
    CASE WHEN fence.covers THEN fence.termination_id ELSE c.termination_id END AS termination_id,
    c.calling_number,
    k.agent_id,
    k.kind,
    k.calling_numbers AS campaign_calling_numbers
FROM call c
JOIN campaign k ON k.workspace_id = c.workspace_id AND k.campaign_id = c.campaign_id
LEFT JOIN campaign_fence ef
    ON ef.workspace_id = c.workspace_id AND ef.campaign_id = c.campaign_id AND ef.epoch = c.epoch
LEFT JOIN LATERAL (
    SELECT f.sub_status, f.raised_at, f.termination_id
    FROM number_fence f
    WHERE c.status IN ('registered', 'retry')
      AND f.workspace_id = c.workspace_id
      AND f.called_number = c.called_number
      AND (f.campaign_id IS NULL OR f.campaign_id = c.campaign_id)
      AND (f.agent_id IS NULL OR f.agent_id = k.agent_id)
      AND pg_visible_in_snapshot(c.registered_xid, f.registered_in)
    ORDER BY f.raised_at, f.termination_id
    LIMIT 1
) nf ON true
CROSS JOIN LATERAL (
    SELECT
        c.status IN ('registered', 'retry') AND (c.epoch < k.epoch OR nf.termination_id IS NOT NULL) AS covers,
        -- Behind two fences, a call belongs to the order that came first.
        ef.raised_at IS NOT NULL AND (nf.raised_at IS NULL OR ef.raised_at <= nf.raised_at) AS by_epoch
) judged
CROSS JOIN LATERAL (
    SELECT
        judged.covers,
        CASE WHEN judged.by_epoch THEN ef.sub_status ELSE nf.sub_status END AS sub_status,
        CASE WHEN judged.by_epoch THEN ef.raised_at ELSE nf.raised_at END AS raised_at,
        CASE WHEN judged.by_epoch THEN ef.termination_id ELSE nf.termination_id END AS termination_id
) fence;
