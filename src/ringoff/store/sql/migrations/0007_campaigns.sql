-- Campaigns that are paused. The new checks are NOT VALID: old rows know no new word, and nothing is read under the lock.

ALTER TABLE campaign
    DROP CONSTRAINT campaign_status_check,
    ADD CONSTRAINT known_campaign_status
        CHECK (status IN ('draft', 'scheduled', 'ongoing', 'paused', 'completed', 'terminated')) NOT VALID,
    DROP CONSTRAINT started_means_dialable,
    ADD CONSTRAINT started_means_dialable
        CHECK (status NOT IN ('scheduled', 'ongoing', 'paused') OR trunk_id IS NOT NULL) NOT VALID;

-- What is started and not done. One row for each campaign: built in an instant.
CREATE INDEX campaign_started ON campaign (workspace_id, campaign_id) WHERE status IN ('scheduled', 'ongoing', 'paused');
DROP INDEX campaign_active;

-- Counts of calls that nobody has to count: see tallies.sql. A campaign that exists already is not tallied: its calls are counted one
-- by one as before, so that nothing has to be read here.
ALTER TABLE campaign ADD COLUMN is_tallied boolean NOT NULL DEFAULT false;

CREATE TABLE campaign_tally (
    workspace_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    epoch integer NOT NULL,
    -- Calls registered at this epoch, and those of them that are not `registered` any more.
    registered_count bigint NOT NULL,
    begun_count bigint NOT NULL,
    completed_count bigint NOT NULL,
    failed_count bigint NOT NULL,
    error_count bigint NOT NULL,
    cancelled_count bigint NOT NULL,
    PRIMARY KEY (workspace_id, campaign_id, epoch)
);

-- What one statement has added. Without an index: it is folded every second, and read whole.
CREATE TABLE tally_step (
    workspace_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    epoch integer NOT NULL,
    registered_count bigint NOT NULL DEFAULT 0,
    begun_count bigint NOT NULL DEFAULT 0,
    completed_count bigint NOT NULL DEFAULT 0,
    failed_count bigint NOT NULL DEFAULT 0,
    error_count bigint NOT NULL DEFAULT 0,
    cancelled_count bigint NOT NULL DEFAULT 0
);
