-- Lists that are verified after their upload was answered: kept as they came, claimed like other work, and registered in the
-- one transaction that also ends the verification.

-- name: add_upload
INSERT INTO list_upload (workspace_id, campaign_id, epoch, country_code, file_bytes)
SELECT k.workspace_id, k.campaign_id, k.epoch, $3, $4
FROM campaign k
WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND k.kind = 'list' AND k.status = 'verifying'

-- name: add_chunk
INSERT INTO list_upload_chunk (workspace_id, campaign_id, chunk_no, bytes) VALUES ($1, $2, $3, $4)

-- name: chunk
SELECT bytes FROM list_upload_chunk WHERE workspace_id = $1 AND campaign_id = $2 AND chunk_no = $3

-- name: upload
SELECT u.campaign_id, k.name, k.status, k.total_count, u.state, u.file_bytes, u.bytes_read, u.rows_read, u.invalid_count,
    u.registered_count, u.faults, u.failure
FROM list_upload u
JOIN campaign k ON k.workspace_id = u.workspace_id AND k.campaign_id = u.campaign_id
WHERE u.workspace_id = $1 AND u.campaign_id = $2 AND k.deleted_at IS NULL

-- name: is_verifying
SELECT EXISTS (
    SELECT FROM list_upload u WHERE u.workspace_id = $1 AND u.campaign_id = $2 AND u.state = 'verifying'
)

-- name: claim
WITH due AS (
    SELECT u.workspace_id, u.campaign_id
    FROM list_upload u
    WHERE u.state = 'verifying' AND u.lease_until <= clock_timestamp()
    ORDER BY u.lease_until
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE list_upload u
SET owner_id = $1, lease_until = clock_timestamp() + make_interval(secs => $2)
FROM due d
JOIN campaign k ON k.workspace_id = d.workspace_id AND k.campaign_id = d.campaign_id
WHERE u.workspace_id = d.workspace_id AND u.campaign_id = d.campaign_id
RETURNING u.workspace_id, u.campaign_id, k.agent_id, u.country_code, k.variables_map, u.file_bytes

-- name: renew
-- Still its owner's when it has just been finished: nobody else has it.
WITH renewed AS (
    UPDATE list_upload
    SET lease_until = clock_timestamp() + make_interval(secs => $4), bytes_read = $5, rows_read = $6, invalid_count = $7,
        registered_count = $8
    WHERE workspace_id = $1 AND campaign_id = $2 AND owner_id = $3 AND state = 'verifying'
)
SELECT EXISTS (SELECT FROM list_upload u WHERE u.workspace_id = $1 AND u.campaign_id = $2 AND u.owner_id = $3)

-- name: put_off
UPDATE list_upload
SET failed_count = failed_count + 1,
    lease_until = clock_timestamp() + make_interval(secs => $4 * (failed_count + 1))
WHERE workspace_id = $1 AND campaign_id = $2 AND owner_id = $3 AND state = 'verifying'
RETURNING failed_count

-- name: allow_long_statements
-- A list of millions takes minutes, and its lease ends what hangs.
SELECT set_config('statement_timeout', '0', true)

-- name: register_slice
-- At the epoch of the upload: behind a fence that went up since, the rows come out terminated.
WITH slice AS MATERIALIZED (
    SELECT t.contact_id, t.called_number
    FROM contact t
    WHERE t.workspace_id = $1 AND t.campaign_id = $2 AND t.contact_id > $3
    ORDER BY t.contact_id
    LIMIT $4
), registered AS (
    INSERT INTO call (
        workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at, created_at, registered_xid
    )
    SELECT u.workspace_id, u.campaign_id, s.contact_id, u.epoch, s.called_number, u.uploaded_at, u.uploaded_at,
        u.uploaded_xid
    FROM list_upload u
    CROSS JOIN slice s
    WHERE u.workspace_id = $1 AND u.campaign_id = $2
    ORDER BY s.contact_id
)
SELECT count(*) AS registered_count, coalesce(max(s.contact_id), 0) AS last_contact_id FROM slice s

-- name: finish
-- After lock_shared('agent', …): an order for the agent finds the list still verified, or all of its calls. Orders for the campaign
-- or for numbers need no lock here: epoch and uploaded_xid tell. A campaign that was terminated meanwhile stays so.
WITH ended AS (
    UPDATE list_upload u
    SET state = $4, rows_read = $5, invalid_count = $6, registered_count = $7, faults = $8, failure = $9,
        bytes_read = u.file_bytes, ended_at = clock_timestamp()
    WHERE u.workspace_id = $1 AND u.campaign_id = $2 AND u.owner_id = $3 AND u.state = 'verifying'
    RETURNING u.workspace_id, u.campaign_id, u.epoch
), tallied AS (
    INSERT INTO tally_step (workspace_id, campaign_id, epoch, registered_count)
    SELECT e.workspace_id, e.campaign_id, e.epoch, $7 FROM ended e
)
UPDATE campaign k
SET is_tallied = true,
    status = CASE WHEN k.status <> 'verifying' THEN k.status WHEN $4 = 'verified' THEN 'draft' ELSE 'failed' END,
    total_count = $7, updated_at = clock_timestamp()
FROM ended e
WHERE k.workspace_id = e.workspace_id AND k.campaign_id = e.campaign_id

-- name: drop_chunks
DELETE FROM list_upload_chunk WHERE workspace_id = $1 AND campaign_id = $2
