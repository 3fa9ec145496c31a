-- Lists that are verified after their upload was answered. The new check is NOT VALID: old rows know no new word, and nothing is
-- read under the lock.

ALTER TABLE campaign
    DROP CONSTRAINT known_campaign_status,
    ADD CONSTRAINT known_campaign_status
        CHECK (status IN (
            'verifying', 'draft', 'scheduled', 'ongoing', 'paused', 'completed', 'terminated', 'failed'
        )) NOT VALID;

-- One uploaded list. uploaded_xid is what its calls will carry as registered_xid: to an order by numbers they were registered
-- when the upload was acknowledged, however late their rows come.
CREATE TABLE list_upload (
    workspace_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    epoch integer NOT NULL,
    uploaded_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    country_code text NOT NULL,
    file_bytes bigint NOT NULL CHECK (file_bytes > 0),
    state text NOT NULL DEFAULT 'verifying' CHECK (state IN ('verifying', 'verified', 'failed')),
    -- Who verifies it, and until when it is his.
    owner_id uuid,
    lease_until timestamptz NOT NULL DEFAULT clock_timestamp(),
    failed_count smallint NOT NULL DEFAULT 0,
    bytes_read bigint NOT NULL DEFAULT 0,
    rows_read bigint NOT NULL DEFAULT 0,
    invalid_count bigint NOT NULL DEFAULT 0,
    registered_count bigint NOT NULL DEFAULT 0,
    faults jsonb NOT NULL DEFAULT '[]',
    failure text CHECK (length(failure) <= 1000),
    ended_at timestamptz,
    PRIMARY KEY (workspace_id, campaign_id),
    FOREIGN KEY (workspace_id, campaign_id) REFERENCES campaign,
    CONSTRAINT ended_iff_not_verifying CHECK ((state = 'verifying') = (ended_at IS NULL)),
    CONSTRAINT failed_says_why CHECK (state <> 'failed' OR failure IS NOT NULL)
);
-- Nearly always empty: orders look here.
CREATE INDEX list_upload_verifying ON list_upload (workspace_id, campaign_id) WHERE state = 'verifying';
CREATE INDEX list_upload_due ON list_upload (lease_until) WHERE state = 'verifying';

-- Its bytes, until it is verified. Not compressed: that would cost the upload more than it saves the disk for some minutes.
CREATE TABLE list_upload_chunk (
    workspace_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    chunk_no integer NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (workspace_id, campaign_id, chunk_no),
    FOREIGN KEY (workspace_id, campaign_id) REFERENCES list_upload
);
ALTER TABLE list_upload_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;
