-- What a campaign gets of its trunk. Only campaigns that were given a share of their own have a row: processes of an
-- older version neither read nor write it, and dial with equal shares.
CREATE TABLE IF NOT EXISTS campaign_share (
    workspace_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    weight smallint NOT NULL CHECK (weight BETWEEN 1 AND 100),
    concurrency_percentage double precision NOT NULL CHECK (concurrency_percentage > 0 AND concurrency_percentage <= 100),
    PRIMARY KEY (workspace_id, campaign_id),
    FOREIGN KEY (workspace_id, campaign_id) REFERENCES campaign ON DELETE CASCADE
);
