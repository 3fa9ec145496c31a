-- Numbers that must not be rung. Whoever adds to the list then takes the exclusive lock of the workspace's number fences until
-- the commit: permits in flight end first, and later ones see the list. Rows before the lock, in the order of numbers.

-- name: add
INSERT INTO suppression (workspace_id, mobile_number, reason, api_key_id, termination_id)
SELECT $1, n.mobile_number, $3, $4, $5
FROM unnest($2::text[]) AS n (mobile_number)
ORDER BY n.mobile_number
ON CONFLICT DO NOTHING

-- name: limit_lock_wait
SELECT set_config('lock_timeout', $1, true)

-- name: lock
-- Whoever stands still with it is ended within a second: all permits of the workspace wait behind it, and orders by numbers.
SELECT set_config('idle_in_transaction_session_timeout', '1000', true),
    pg_advisory_xact_lock(lock_key('number_fences', $1, $1))

-- name: make_stage
-- The reader of uploads writes contacts; a list of numbers is a list of contacts of which only the number is kept.
CREATE TEMPORARY TABLE suppression_stage (LIKE contact) ON COMMIT DROP

-- name: drop_identity
ALTER TABLE suppression_stage ALTER COLUMN contact_id DROP NOT NULL

-- name: add_staged
INSERT INTO suppression (workspace_id, mobile_number, reason, api_key_id)
SELECT $1, t.called_number, $2, $3
FROM suppression_stage t
ORDER BY t.called_number
ON CONFLICT DO NOTHING

-- name: count_staged
-- One join: the planner hashes the smaller side.
SELECT count(*)
FROM suppression_stage t
JOIN suppression s ON s.workspace_id = $1 AND s.mobile_number = t.called_number

-- name: page
-- Two bounds instead of a condition that may be absent: whatever is looked for, the primary key is read from there to there.
SELECT s.mobile_number, s.reason, s.created_at, s.termination_id, s.api_key_id
FROM suppression s
WHERE s.workspace_id = $1 AND s.mobile_number > $2 AND s.mobile_number BETWEEN $3 AND $4
ORDER BY s.mobile_number
LIMIT $5

-- name: count
SELECT count(*) FROM suppression WHERE workspace_id = $1

-- name: count_up_to
SELECT count(*) FROM (SELECT FROM suppression WHERE workspace_id = $1 LIMIT $2) AS s

-- name: remove
DELETE FROM suppression WHERE workspace_id = $1 AND mobile_number = $2
