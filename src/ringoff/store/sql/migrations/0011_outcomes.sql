-- How attempts go, second by second for a workspace and minute by minute for each campaign, without reading them: see figures.sql.

-- What one statement of the dial path has seen. Without an index: it is folded every second, and read whole.
CREATE TABLE attempt_step (
    workspace_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    -- The start of its transaction: what a permit takes back falls into the second in which it was added.
    noted_at timestamptz NOT NULL DEFAULT now(),
    -- 'dialled', 'picked_up', or the disposition of attempts that are over.
    outcome text NOT NULL,
    attempt_count bigint NOT NULL,
    answered_count bigint NOT NULL DEFAULT 0,
    talk_ms bigint NOT NULL DEFAULT 0
);

-- Attempts that are over, by the minute and by the hour in which that was written down.
CREATE TABLE campaign_outcome (
    workspace_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    width_min smallint NOT NULL CHECK (width_min IN (1, 60)),
    from_at timestamptz NOT NULL,
    disposition text NOT NULL,
    attempt_count bigint NOT NULL,
    answered_count bigint NOT NULL,
    talk_ms bigint NOT NULL,
    PRIMARY KEY (workspace_id, campaign_id, width_min, from_at, disposition)
);

-- The last quarter of an hour.
CREATE TABLE workspace_second (
    workspace_id uuid NOT NULL,
    from_at timestamptz NOT NULL,
    dialled_count bigint NOT NULL,
    answered_count bigint NOT NULL,
    failed_count bigint NOT NULL,
    PRIMARY KEY (workspace_id, from_at)
);

-- Of a campaign that exists already, earlier attempts are in no step; of every later one, all of them are.
ALTER TABLE campaign ADD COLUMN has_outcomes boolean NOT NULL DEFAULT false;
ALTER TABLE campaign ALTER COLUMN has_outcomes SET DEFAULT true;
