-- Pools of calling numbers: kept by their users, and asked by the claim.

-- name: add
INSERT INTO number_pool (workspace_id, name, trunk_id) VALUES ($1, $2, $3)
ON CONFLICT ON CONSTRAINT one_pool_of_a_name DO NOTHING
RETURNING number_pool_id

-- name: pools
SELECT
    p.number_pool_id, p.name, p.trunk_id, p.created_at,
    ARRAY(
        SELECT n.number FROM number n
        WHERE n.workspace_id = p.workspace_id AND n.number_pool_id = p.number_pool_id
        ORDER BY n.number
    ) AS numbers
FROM number_pool p
WHERE p.workspace_id = $1 AND ($2::uuid IS NULL OR p.number_pool_id = $2)
ORDER BY p.name

-- name: lock_pool
-- Against two edits of one pool, and against a start or a call that takes it meanwhile. The claim does not wait for this.
SELECT trunk_id FROM number_pool WHERE workspace_id = $1 AND number_pool_id = $2 FOR UPDATE

-- name: hold_pool
-- While a campaign or a call takes it, nobody empties it.
SELECT trunk_id FROM number_pool WHERE workspace_id = $1 AND number_pool_id = $2 FOR SHARE

-- name: release_numbers
UPDATE number SET number_pool_id = NULL
WHERE workspace_id = $1 AND number_pool_id = $2 AND number_id <> ALL($3::uuid[])

-- name: take_numbers
-- A number that has meanwhile come into another pool is not taken.
UPDATE number SET number_pool_id = $2
WHERE workspace_id = $1 AND number_id = ANY($3::uuid[]) AND (number_pool_id IS NULL OR number_pool_id = $2)

-- name: remove
DELETE FROM number_pool WHERE workspace_id = $1 AND number_pool_id = $2

-- name: change_pace
-- What was shown before counts by the new pace only from now on.
UPDATE number SET cps_max = $3, paced_off_at = NULL
WHERE workspace_id = $1 AND number_id = $2
RETURNING number_id, workspace_id, number, display_name, trunk_id, agent_id, created_at, number_pool_id, cps_max

-- name: turns
-- Up to $3 turns, in their order: first the number that was shown longest ago. A number with a pace of its own has as many as the
-- cell rate algorithm allows: a second's worth at once, and cps_max a second in the long run. Only after lock_trunk: whoever else claims
-- for this pool waits there.
SELECT n.number
FROM number n
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN n.cps_max IS NULL THEN $3::bigint
        ELSE 1 + floor(
            n.cps_max * (
                greatest(0, 1 - 1 / n.cps_max)
                - greatest(0, coalesce(extract(epoch FROM n.paced_off_at - statement_timestamp())::float8, 0))
            ) + 1e-6
        )::bigint
    END AS turn_count
) allowed
CROSS JOIN LATERAL generate_series(1, least($3::bigint, allowed.turn_count)) AS turn (place)
WHERE n.workspace_id = $1 AND n.number_pool_id = $2
ORDER BY turn.place, n.last_shown_at NULLS FIRST, n.number_id
LIMIT $3

-- name: wait_s
-- Until the first number has a turn again; null for an empty pool.
SELECT min(
    extract(epoch FROM n.paced_off_at - statement_timestamp())::float8 - greatest(0, 1 - 1 / n.cps_max)
) AS wait_s
FROM number n
WHERE n.workspace_id = $1 AND n.number_pool_id = $2

-- name: take_turns
-- $2: the numbers in the order of their turns; one with several turns is there several times.
WITH taken AS (
    SELECT t.number, count(*) AS turn_count, max(t.place) AS last_place
    FROM unnest($2::text[]) WITH ORDINALITY AS t (number, place)
    GROUP BY t.number
)
UPDATE number n
SET last_shown_at = statement_timestamp() + t.last_place * interval '1 microsecond',
    paced_off_at = greatest(n.paced_off_at, statement_timestamp()) + make_interval(secs => t.turn_count / n.cps_max)
FROM taken t
WHERE n.workspace_id = $1 AND n.number = t.number
