-- Sessions of the dashboard. A session is worth what its key is worth: revoking the key ends it with the next request.

-- name: add
INSERT INTO dashboard_session (workspace_id, api_key_id, token_hash, valid_until)
VALUES ($1, $2, $3, clock_timestamp() + make_interval(hours => $4))

-- name: by_token
SELECT s.workspace_id, s.session_id, s.api_key_id, s.reveals_numbers, w.name AS workspace_name, k.name AS api_key_name
FROM dashboard_session s
JOIN api_key k ON k.workspace_id = s.workspace_id AND k.api_key_id = s.api_key_id AND k.revoked_at IS NULL
JOIN workspace w ON w.workspace_id = s.workspace_id
WHERE s.token_hash = $1 AND s.valid_until > clock_timestamp()

-- name: reveal
UPDATE dashboard_session SET reveals_numbers = $3 WHERE workspace_id = $1 AND session_id = $2

-- name: remove
DELETE FROM dashboard_session WHERE workspace_id = $1 AND session_id = $2

-- name: remove_ended
DELETE FROM dashboard_session WHERE workspace_id = $1 AND valid_until <= clock_timestamp()
