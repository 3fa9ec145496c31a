-- Reports of carriers over HTTP: stored where they arrive, taken by the process that owns the attempt.

-- name: trunk
SELECT workspace_id, trunk_id, driver, config FROM trunk WHERE trunk_id = $1

-- name: add
-- The attempt is committed before its request leaves, so a report about it finds it; and its owner never changes.
WITH attempt AS (
    SELECT d.workspace_id, d.trunk_id, d.attempt_id, d.owner_id
    FROM dial_attempt d
    WHERE d.workspace_id = $1 AND d.attempt_id = $3 AND d.trunk_id = $2
), kept AS (
    INSERT INTO carrier_callback (
        workspace_id, trunk_id, attempt_id, owner_id, sequence_number, fields, fingerprint
    )
    SELECT a.workspace_id, a.trunk_id, a.attempt_id, a.owner_id, $4, $5, $6
    FROM attempt a
    ON CONFLICT (workspace_id, attempt_id, fingerprint) DO NOTHING
    RETURNING owner_id
)
SELECT EXISTS (SELECT FROM attempt) AS is_known, (SELECT pg_notify('ringoff_callback', '') FROM kept)

-- name: callbacks_of
WITH taken AS (
    SELECT k.workspace_id, k.callback_id
    FROM carrier_callback k
    WHERE k.owner_id = $1
    ORDER BY k.callback_id
    LIMIT $2
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM carrier_callback k
    USING taken t
    WHERE k.workspace_id = t.workspace_id AND k.callback_id = t.callback_id
    RETURNING k.callback_id, k.attempt_id, k.fields
)
SELECT attempt_id, fields FROM gone ORDER BY callback_id
