-- Who has signed in to the dashboard with an API key. The cookie's text is kept as its hash only, as with keys.

CREATE TABLE dashboard_session (
    workspace_id uuid NOT NULL,
    session_id uuid NOT NULL DEFAULT gen_random_uuid(),
    api_key_id uuid NOT NULL,
    token_hash bytea NOT NULL CHECK (length(token_hash) = 32),
    reveals_numbers boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    valid_until timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, session_id),
    FOREIGN KEY (workspace_id, api_key_id) REFERENCES api_key
);
-- The look-up without a workspace: the cookie is what tells the workspace.
CREATE UNIQUE INDEX dashboard_session_by_token ON dashboard_session (token_hash);
CREATE INDEX dashboard_session_by_end ON dashboard_session (workspace_id, valid_until);
