-- Tenants and what they own besides campaigns.

-- name: lock_first_rows
SELECT pg_advisory_xact_lock(hashtextextended('first_rows', 0))

-- name: add_workspace
INSERT INTO workspace (name) VALUES ($1) RETURNING workspace_id, name, created_at

-- name: workspace
SELECT workspace_id, name, created_at FROM workspace WHERE workspace_id = $1

-- name: workspaces
SELECT workspace_id, name, created_at FROM workspace ORDER BY created_at, workspace_id

-- name: add_api_key
-- Nothing for an id that is taken: the same form was sent before.
INSERT INTO api_key (workspace_id, name, key_hash, prefix, api_key_id)
VALUES ($1, $2, $3, $4, coalesce($5, gen_random_uuid()))
ON CONFLICT (workspace_id, api_key_id) DO NOTHING
RETURNING api_key_id, workspace_id, name, prefix, created_at, revoked_at

-- name: principal_by_key_hash
SELECT workspace_id, api_key_id FROM api_key WHERE key_hash = $1 AND revoked_at IS NULL

-- name: api_keys
SELECT api_key_id, workspace_id, name, prefix, created_at, revoked_at
FROM api_key
WHERE workspace_id = $1
ORDER BY created_at, api_key_id

-- name: revoke_api_key
UPDATE api_key SET revoked_at = clock_timestamp()
WHERE workspace_id = $1 AND api_key_id = $2 AND revoked_at IS NULL
RETURNING api_key_id, workspace_id, name, prefix, created_at, revoked_at

-- name: add_agent
INSERT INTO agent (workspace_id, display_name, agent_type, primary_language, custom_variables, config)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING agent_id, workspace_id, display_name, agent_type, primary_language, custom_variables, config, handling_kind,
    handling_target, handling_is_failure_retried, version, archived_at, created_at, updated_at

-- name: agent
SELECT agent_id, workspace_id, display_name, agent_type, primary_language, custom_variables, config, handling_kind,
    handling_target, handling_is_failure_retried, version, archived_at, created_at, updated_at
FROM agent
WHERE workspace_id = $1 AND agent_id = $2

-- name: agent_to_edit
-- Held to the end of the transaction, so that of two edits the later one builds on the earlier. Campaigns that name the agent
-- do not wait for it.
SELECT agent_id, workspace_id, display_name, agent_type, primary_language, custom_variables, config, handling_kind,
    handling_target, handling_is_failure_retried, version, archived_at, created_at, updated_at
FROM agent
WHERE workspace_id = $1 AND agent_id = $2 AND archived_at IS NULL
FOR NO KEY UPDATE

-- name: change_agent
UPDATE agent
SET display_name = $3, primary_language = $4, custom_variables = $5, config = $6, agent_type = $7, version = version + 1,
    updated_at = clock_timestamp()
WHERE workspace_id = $1 AND agent_id = $2 AND archived_at IS NULL
RETURNING agent_id, workspace_id, display_name, agent_type, primary_language, custom_variables, config, handling_kind,
    handling_target, handling_is_failure_retried, version, archived_at, created_at, updated_at

-- name: archive_agent
UPDATE agent SET archived_at = clock_timestamp()
WHERE workspace_id = $1 AND agent_id = $2 AND archived_at IS NULL

-- name: detach_numbers
UPDATE number SET agent_id = NULL WHERE workspace_id = $1 AND agent_id = $2

-- name: attach_number
UPDATE number SET agent_id = $3
WHERE workspace_id = $1 AND number_id = $2 AND agent_id IS NULL

-- name: detach_number
UPDATE number SET agent_id = NULL
WHERE workspace_id = $1 AND number_id = $2 AND agent_id = $3

-- name: attached_agents
SELECT a.agent_id, a.display_name
FROM agent a
WHERE a.workspace_id = $1
  AND EXISTS (SELECT FROM number n WHERE n.workspace_id = a.workspace_id AND n.agent_id = a.agent_id)

-- name: campaign_showing
-- Of a list that is started and not done, whatever more states there may be.
SELECT k.name
FROM campaign k
WHERE k.workspace_id = $1 AND k.kind = 'list'
  AND k.status NOT IN ('verifying', 'draft', 'completed', 'terminated', 'failed')
  AND $2 = ANY (k.calling_numbers)
ORDER BY k.campaign_id
LIMIT 1

-- name: change_handling
UPDATE agent
SET handling_kind = $3, handling_target = $4, handling_is_failure_retried = $5, updated_at = clock_timestamp()
WHERE workspace_id = $1 AND agent_id = $2
RETURNING agent_id, workspace_id, display_name, agent_type, primary_language, custom_variables, config, handling_kind,
    handling_target, handling_is_failure_retried, version, archived_at, created_at, updated_at

-- name: agent_names
-- Archived ones too: their calls go on.
SELECT agent_id, display_name FROM agent WHERE workspace_id = $1 ORDER BY archived_at NULLS FIRST, created_at DESC, agent_id LIMIT $2

-- name: agents
-- Uploads know their size; only individual calls are counted one by one.
SELECT a.agent_id, a.workspace_id, a.display_name, a.agent_type, a.primary_language, a.custom_variables, a.config,
    a.handling_kind, a.handling_target, a.handling_is_failure_retried, a.version, a.archived_at, a.created_at, a.updated_at,
    (
        SELECT coalesce(sum(k.total_count), 0)
        FROM campaign k
        WHERE k.workspace_id = a.workspace_id AND k.agent_id = a.agent_id AND k.kind = 'list'
    )::bigint
    + (
        SELECT count(*)
        FROM campaign k
        JOIN contact t ON t.workspace_id = k.workspace_id AND t.campaign_id = k.campaign_id
        WHERE k.workspace_id = a.workspace_id AND k.agent_id = a.agent_id AND k.kind = 'individual'
    ) AS call_count
FROM agent a
WHERE a.workspace_id = $1 AND a.archived_at IS NULL
ORDER BY a.created_at DESC, a.agent_id DESC
LIMIT $2 OFFSET $3

-- name: agents_uncounted
SELECT agent_id, workspace_id, display_name, agent_type, primary_language, custom_variables, config, handling_kind,
    handling_target, handling_is_failure_retried, version, archived_at, created_at, updated_at
FROM agent
WHERE workspace_id = $1
  AND ($2::text IS NULL OR strpos(lower(display_name), lower($2)) > 0)
  AND (
      $3::uuid IS NULL
      OR (created_at, agent_id) < (SELECT b.created_at, b.agent_id FROM agent b WHERE b.workspace_id = $1 AND b.agent_id = $3)
  )
ORDER BY created_at DESC, agent_id DESC
LIMIT $4

-- name: add_trunk
INSERT INTO trunk (workspace_id, name, driver, cps_max, channels_max, config) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING trunk_id, workspace_id, name, driver, cps_max, channels_max, is_enabled, is_up, alarm, alarm_at, created_at, updated_at,
    config

-- name: trunk
SELECT trunk_id, workspace_id, name, driver, cps_max, channels_max, is_enabled, is_up, alarm, alarm_at, created_at, updated_at,
    config
FROM trunk
WHERE workspace_id = $1 AND trunk_id = $2

-- name: trunks
SELECT trunk_id, workspace_id, name, driver, cps_max, channels_max, is_enabled, is_up, alarm, alarm_at, created_at, updated_at,
    config
FROM trunk
WHERE workspace_id = $1
ORDER BY created_at, trunk_id

-- name: change_trunk
-- Whoever enables a trunk, or gives it another configuration, has looked at its alarm: it starts anew.
UPDATE trunk
SET name = coalesce($3, name),
    cps_max = coalesce($4, cps_max),
    channels_max = coalesce($5, channels_max),
    is_enabled = coalesce($6, is_enabled),
    config = coalesce($7, config),
    alarm = CASE WHEN $6 OR $7 IS NOT NULL THEN NULL ELSE alarm END,
    alarm_at = CASE WHEN $6 OR $7 IS NOT NULL THEN NULL ELSE alarm_at END,
    silent_count = CASE WHEN $6 OR $7 IS NOT NULL THEN 0 ELSE silent_count END,
    silent_until = CASE WHEN $6 OR $7 IS NOT NULL THEN NULL ELSE silent_until END,
    is_up = CASE WHEN $7 IS NOT NULL THEN NULL ELSE is_up END,
    updated_at = clock_timestamp()
WHERE workspace_id = $1 AND trunk_id = $2
RETURNING trunk_id, workspace_id, name, driver, cps_max, channels_max, is_enabled, is_up, alarm, alarm_at, created_at, updated_at,
    config

-- name: add_number
INSERT INTO number (workspace_id, number, display_name, trunk_id) VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT one_number_per_workspace DO NOTHING
RETURNING number_id, workspace_id, number, display_name, trunk_id, agent_id, created_at, number_pool_id, cps_max

-- name: number
SELECT number_id, workspace_id, number, display_name, trunk_id, agent_id, created_at, number_pool_id, cps_max
FROM number
WHERE workspace_id = $1 AND number_id = $2

-- name: remove_number
DELETE FROM number WHERE workspace_id = $1 AND number_id = $2
RETURNING number_id, workspace_id, number, display_name, trunk_id, agent_id, created_at, number_pool_id, cps_max

-- name: numbers
SELECT n.number_id, n.workspace_id, n.number, n.display_name, n.trunk_id, n.agent_id, n.created_at, n.number_pool_id, n.cps_max,
    (
        SELECT count(*)
        FROM dial_attempt a
        WHERE a.workspace_id = n.workspace_id AND a.calling_number = n.number
    ) AS call_count
FROM number n
WHERE n.workspace_id = $1
ORDER BY n.created_at, n.number_id

-- name: own_numbers
SELECT n.number_id, n.workspace_id, n.number, n.display_name, n.trunk_id, n.agent_id, n.created_at, n.number_pool_id, n.cps_max
FROM number n
WHERE n.workspace_id = $1 AND n.number > $2 AND ($3::uuid IS NULL OR n.agent_id = $3)
ORDER BY n.number
LIMIT $4

-- name: numbers_matching
SELECT g.given, n.number_id, n.workspace_id, n.number, n.display_name, n.trunk_id, n.agent_id, n.created_at, n.number_pool_id, n.cps_max
FROM unnest($2::text[]) AS g (given)
JOIN number n ON n.workspace_id = $1 AND (n.number = g.given OR n.number_id::text = lower(g.given))
