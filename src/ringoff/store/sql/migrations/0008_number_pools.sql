-- Calling numbers that take turns: the one shown longest ago is shown next, and none more often than its own pace allows.

CREATE TABLE number_pool (
    workspace_id uuid NOT NULL REFERENCES workspace,
    number_pool_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- All its numbers are on this one.
    trunk_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace_id, number_pool_id),
    FOREIGN KEY (workspace_id, trunk_id) REFERENCES trunk,
    CONSTRAINT one_pool_of_a_name UNIQUE (workspace_id, name)
);

ALTER TABLE number
    ADD COLUMN number_pool_id uuid,
    -- Calls a second that may show this number out of a pool; null: only the trunk's pace counts.
    ADD COLUMN cps_max double precision CHECK (cps_max > 0 AND cps_max <= 10000),
    ADD COLUMN last_shown_at timestamptz,
    -- When the calls that have shown it so far are paced off (the theoretical arrival time of ITU-T I.371's cell rate algorithm).
    ADD COLUMN paced_off_at timestamptz,
    ADD FOREIGN KEY (workspace_id, number_pool_id) REFERENCES number_pool;
CREATE INDEX number_in_pool ON number (workspace_id, number_pool_id) WHERE number_pool_id IS NOT NULL;

-- No foreign key: a pool may go when everything that showed its numbers is done.
ALTER TABLE campaign
    ADD COLUMN number_pool_id uuid,
    ADD CONSTRAINT a_pool_or_numbers CHECK (number_pool_id IS NULL OR calling_numbers = '{}');
CREATE INDEX campaign_by_pool ON campaign (workspace_id, number_pool_id) WHERE number_pool_id IS NOT NULL;

-- The individual calls of an agent on a trunk that show the numbers of one pool have a hidden campaign of their own.
DROP INDEX one_individual_campaign_per_agent_and_trunk;
CREATE UNIQUE INDEX one_individual_campaign
    ON campaign (workspace_id, agent_id, trunk_id, number_pool_id) NULLS NOT DISTINCT
    WHERE kind = 'individual';
