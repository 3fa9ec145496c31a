-- Whole periods that are old are dropped; what somebody still needs of them goes to the default partitions, and from there when
-- nobody does any more.

-- name: is_ready
-- Periods can be dropped once there are some: before, or with the schema of an older version, there is nothing to do.
SELECT to_regclass('dropped_period') IS NOT NULL
    AND EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('call') AND c.relkind = 'p')

-- name: try_lock
SELECT pg_try_advisory_xact_lock(hashtextextended('retention', 0))

-- name: allow_long_statements
SELECT set_config('statement_timeout', '0', true)

-- name: bound
SELECT clock_timestamp() - make_interval(days => $1)

-- name: periods
-- What follows a period of contacts must be gone before it: a call may be a little younger than its contact.
SELECT p.*, next_period(p.to_at) AS followed_until_at FROM periods() p

-- name: find_kept
SELECT find_kept($1, $2, $3, $4, $5, $6, false)

-- name: kept
SELECT why, count(*) AS row_count FROM (SELECT DISTINCT workspace_id, id, no, why FROM kept) k GROUP BY why ORDER BY why

-- name: drop_period
SELECT drop_period($1, $2, $3, $4, $5)

-- name: delete_calls
-- Of what was kept when its period went: calls that have ended long ago, and whose end everybody has been told.
WITH old AS MATERIALIZED (
    SELECT c.workspace_id, c.call_id
    FROM call_default c
    WHERE c.ended_at < $1 AND c.call_id < ordered_uuid_floor($1)
      AND NOT EXISTS (
          SELECT FROM dial_attempt a
          WHERE a.workspace_id = c.workspace_id AND a.call_id = c.call_id
            AND a.state IN ('prepared', 'originated', 'ringing', 'answered')
      )
      AND NOT EXISTS (SELECT FROM webhook_delivery d WHERE d.call_id = c.call_id AND d.state = 'pending')
    LIMIT $2
    FOR UPDATE OF c SKIP LOCKED
), gone AS (
    DELETE FROM call_default c USING old o WHERE c.workspace_id = o.workspace_id AND c.call_id = o.call_id
), attempts AS (
    DELETE FROM dial_attempt_default a USING old o WHERE a.workspace_id = o.workspace_id AND a.call_id = o.call_id
), noted AS (
    INSERT INTO dropped_period (of_table, name, bound_at, row_estimate, byte_count, kept_count)
    SELECT 'call', 'call_default', $1, count(*), 0, 0 FROM old HAVING count(*) > 0
)
SELECT count(*) FROM old

-- name: delete_contacts
-- Campaign by campaign: whose calls are all gone. That reads all that there are, so only for two days after some have gone: time
-- enough for another run, should this one die.
WITH used AS MATERIALIZED (
    SELECT c.campaign_id, c.contact_id
    FROM (SELECT DISTINCT t.workspace_id, t.campaign_id FROM contact_default t WHERE t.contact_id < ordered_id_floor($1)) k
    CROSS JOIN LATERAL (
        SELECT o.campaign_id, o.contact_id FROM call o WHERE o.workspace_id = k.workspace_id AND o.campaign_id = k.campaign_id OFFSET 0
    ) c
)
DELETE FROM contact_default t
WHERE t.contact_id < ordered_id_floor($1)
  AND EXISTS (
      SELECT FROM dropped_period d WHERE d.of_table = 'call' AND d.dropped_at > clock_timestamp() - interval '2 days'
  )
  AND NOT EXISTS (SELECT FROM used u WHERE u.campaign_id = t.campaign_id AND u.contact_id = t.contact_id)

-- name: delete_callbacks
-- Addresses that requests gave for calls which are gone.
DELETE FROM status_callback b
USING (
    SELECT o.workspace_id, o.subject_id
    FROM status_callback o
    WHERE o.subject_id < ordered_uuid_floor($1)
      AND NOT EXISTS (SELECT FROM campaign k WHERE k.workspace_id = o.workspace_id AND k.campaign_id = o.subject_id)
      AND NOT EXISTS (SELECT FROM call_effective c WHERE c.workspace_id = o.workspace_id AND c.call_id = o.subject_id)
    LIMIT $2
) old
WHERE b.workspace_id = old.workspace_id AND b.subject_id = old.subject_id

-- name: delete_minutes
-- The hours stay: they are what sums are made of.
DELETE FROM campaign_outcome o
USING (
    SELECT m.workspace_id, m.campaign_id, m.from_at, m.disposition
    FROM campaign_outcome m
    WHERE m.width_min = 1 AND m.from_at < $1
    LIMIT $2
) old
WHERE o.workspace_id = old.workspace_id AND o.campaign_id = old.campaign_id AND o.width_min = 1 AND o.from_at = old.from_at
  AND o.disposition = old.disposition

-- name: forget_faults
-- Rows that were refused are shown where the list is shown; their values may be personal.
UPDATE list_upload u SET faults = '[]'
FROM (
    SELECT o.workspace_id, o.campaign_id FROM list_upload o WHERE o.ended_at < $1 AND o.faults <> '[]' LIMIT $2
) old
WHERE u.workspace_id = old.workspace_id AND u.campaign_id = old.campaign_id
