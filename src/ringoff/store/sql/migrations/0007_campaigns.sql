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
