-- Campaigns as people handle them: upload, start, list.

-- name: add_campaign
INSERT INTO campaign (workspace_id, agent_id, kind, name, status, call_config, variables_map, start_at, end_at)
VALUES ($1, $2, 'list', $3, $8, $4, $5, $6, $7)
RETURNING campaign_id

-- name: register_contacts
INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)
SELECT k.workspace_id, k.campaign_id, t.contact_id, k.epoch, t.called_number, k.start_at
FROM campaign k
JOIN contact t ON t.workspace_id = k.workspace_id AND t.campaign_id = k.campaign_id
WHERE k.workspace_id = $1 AND k.campaign_id = $2
ORDER BY t.contact_id

-- name: set_total_count
UPDATE campaign SET total_count = $3, is_tallied = true WHERE workspace_id = $1 AND campaign_id = $2
RETURNING epoch

-- name: campaign
SELECT campaign_id, workspace_id, agent_id, name, status, epoch, trunk_id, calling_numbers, call_config, start_at,
    end_at, created_at, updated_at, total_count, number_pool_id
FROM campaign
WHERE workspace_id = $1 AND campaign_id = $2 AND kind = 'list' AND deleted_at IS NULL

-- name: reschedule
-- Right before start or restart, in their transaction.
UPDATE campaign
SET call_config = $3, start_at = $4, end_at = $5, updated_at = clock_timestamp()
WHERE workspace_id = $1 AND campaign_id = $2 AND kind = 'list' AND status IN ('draft', 'terminated') AND deleted_at IS NULL
RETURNING campaign_id, workspace_id, agent_id, name, status, epoch, trunk_id, calling_numbers, call_config, start_at,
    end_at, created_at, updated_at, total_count, number_pool_id

-- name: start
UPDATE campaign
SET status = CASE WHEN start_at > coalesce($5::timestamptz, statement_timestamp()) THEN 'scheduled' ELSE 'ongoing' END,
    trunk_id = $3,
    calling_numbers = $4,
    number_pool_id = $6,
    updated_at = clock_timestamp()
WHERE workspace_id = $1 AND campaign_id = $2 AND kind = 'list' AND status = 'draft' AND deleted_at IS NULL
RETURNING campaign_id, workspace_id, agent_id, name, status, epoch, trunk_id, calling_numbers, call_config, start_at,
    end_at, created_at, updated_at, total_count, number_pool_id

-- name: register_terminated
-- New calls for the contacts whose last call an order cancelled. The fence of that order may still be settling, so the last
-- call is judged by its effective status. Of a contact whose last call ended before $5 a later one may have been dropped, while
-- the month of this one had to stay: whether the person was reached since is not known any more.
INSERT INTO call (workspace_id, campaign_id, contact_id, epoch, called_number, next_attempt_at)
SELECT k.workspace_id, k.campaign_id, last.contact_id, $3, last.called_number, $4
FROM campaign k
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (v.contact_id) v.contact_id, v.called_number, v.status, v.sub_status, v.ended_at
    FROM call_effective v
    WHERE v.workspace_id = k.workspace_id AND v.campaign_id = k.campaign_id
    ORDER BY v.contact_id, v.call_id DESC
) last
WHERE k.workspace_id = $1 AND k.campaign_id = $2 AND last.status = 'cancelled' AND last.sub_status = 'USER_TERMINATED'
  AND last.ended_at >= $5
  AND NOT EXISTS (
      SELECT FROM suppression s WHERE s.workspace_id = k.workspace_id AND s.mobile_number = last.called_number
  )
  -- Somebody whose data was erased has no number any more; of those whose data is about to be, no call may carry it on.
  AND last.called_number <> 'erased'
  AND NOT EXISTS (SELECT FROM unnest($6::text[]) AS n (number) WHERE n.number = last.called_number)
ORDER BY last.contact_id

-- name: restart
-- Last in its transaction: the row is locked for an instant, so that an order never waits for the new calls. At another epoch
-- than theirs an order has come in between.
UPDATE campaign
SET status = CASE WHEN start_at > coalesce($7::timestamptz, statement_timestamp()) THEN 'scheduled' ELSE 'ongoing' END,
    trunk_id = $4,
    calling_numbers = $5,
    number_pool_id = $8,
    total_count = total_count + $6,
    updated_at = clock_timestamp()
WHERE workspace_id = $1 AND campaign_id = $2 AND kind = 'list' AND status = 'terminated' AND epoch = $3
  AND deleted_at IS NULL
RETURNING campaign_id, workspace_id, agent_id, name, status, epoch, trunk_id, calling_numbers, call_config, start_at,
    end_at, created_at, updated_at, total_count, number_pool_id

-- name: pause
-- After lock_exclusive('campaign', …): no permit is in flight, and none is granted until the status changes again. One row,
-- however many calls there are.
UPDATE campaign
SET status = 'paused', updated_at = clock_timestamp()
WHERE workspace_id = $1 AND campaign_id = $2 AND kind = 'list' AND status IN ('scheduled', 'ongoing') AND deleted_at IS NULL
RETURNING campaign_id, workspace_id, agent_id, name, status, epoch, trunk_id, calling_numbers, call_config, start_at,
    end_at, created_at, updated_at, total_count, number_pool_id

-- name: resume
UPDATE campaign
SET status = CASE WHEN start_at > coalesce($3::timestamptz, statement_timestamp()) THEN 'scheduled' ELSE 'ongoing' END,
    updated_at = clock_timestamp()
WHERE workspace_id = $1 AND campaign_id = $2 AND kind = 'list' AND status = 'paused' AND deleted_at IS NULL
RETURNING campaign_id, workspace_id, agent_id, name, status, epoch, trunk_id, calling_numbers, call_config, start_at,
    end_at, created_at, updated_at, total_count, number_pool_id

-- name: campaigns_below
-- $4 a status, $5 a part of the name in any case.
SELECT campaign_id, workspace_id, agent_id, name, status, epoch, trunk_id, calling_numbers, call_config, start_at,
    end_at, created_at, updated_at, total_count, number_pool_id
FROM campaign
WHERE workspace_id = $1 AND kind = 'list' AND deleted_at IS NULL
  AND campaign_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR position(lower($5) IN lower(name)) > 0)
ORDER BY campaign_id DESC
LIMIT $3

-- name: campaigns
SELECT campaign_id, workspace_id, agent_id, name, status, epoch, trunk_id, calling_numbers, call_config, start_at,
    end_at, created_at, updated_at, total_count, number_pool_id
FROM campaign
WHERE workspace_id = $1 AND kind = 'list' AND deleted_at IS NULL
ORDER BY campaign_id DESC
LIMIT $2 OFFSET $3

-- name: count_campaigns
SELECT count(*) FROM campaign WHERE workspace_id = $1 AND kind = 'list' AND deleted_at IS NULL

-- name: running_campaigns
-- Started and not done, whatever more states there may be.
SELECT campaign_id, workspace_id, agent_id, name, status, epoch, trunk_id, calling_numbers, call_config, start_at,
    end_at, created_at, updated_at, total_count, number_pool_id
FROM campaign
WHERE workspace_id = $1 AND kind = 'list' AND status NOT IN ('verifying', 'draft', 'completed', 'terminated', 'failed')
ORDER BY campaign_id DESC
LIMIT $2

-- name: delete_list
-- A list that is dialled, or waits for its start, is ended first: nothing that was deleted may ring.
UPDATE campaign SET deleted_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE workspace_id = $1 AND campaign_id = $2 AND kind = 'list'
  AND status IN ('draft', 'completed', 'terminated', 'failed')
  AND deleted_at IS NULL

-- name: status_counts
-- Only for campaigns without tallies: it reads every call.
SELECT v.campaign_id, v.status, count(*) AS count
FROM call_effective v
WHERE v.workspace_id = $1 AND v.campaign_id = ANY($2::uuid[])
GROUP BY v.campaign_id, v.status

-- name: calling_numbers_in_contacts
SELECT t.called_number, min(t.line_no) AS line_no
FROM contact t
WHERE t.workspace_id = $1 AND t.campaign_id = $2 AND t.called_number = ANY($3::text[])
GROUP BY t.called_number
ORDER BY t.called_number

-- name: add_individual_campaign
INSERT INTO campaign (workspace_id, agent_id, kind, name, status, trunk_id, call_config, number_pool_id)
VALUES ($1, $2, 'individual', 'individual calls', 'ongoing', $3, $4, $5)
ON CONFLICT (workspace_id, agent_id, trunk_id, number_pool_id) WHERE kind = 'individual' DO NOTHING

-- name: individual_campaign
SELECT campaign_id, epoch
FROM campaign
WHERE workspace_id = $1 AND agent_id = $2 AND trunk_id = $3 AND kind = 'individual'
  AND number_pool_id IS NOT DISTINCT FROM $4
