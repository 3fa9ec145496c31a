-- Reads the raw status: only a pending call can be due, and claim and permit judge the fences.
-- name: work
-- Outside any lock: what might be dialled, but for trunks of which it is known that they take nothing now. The lateral
-- probe reads one entry of call_due per campaign. A workspace with more campaigns than $3 shows others each time: what is
-- read for it, and how long the other workspaces wait meanwhile, has a limit. Those that are known to be closed until $6 ($4, as last
-- changed at $5) take no place in it. A list that refers to nothing outside itself is hashed for NOT IN, however long the planner thinks
-- it is: one look for each campaign, before the probe.
WITH pending AS (
    SELECT
        k.workspace_id, k.campaign_id, due.next_attempt_at,
        row_number() OVER (
            PARTITION BY k.workspace_id
            ORDER BY due.next_attempt_at > coalesce($1::timestamptz, statement_timestamp()), random()
        ) AS place
    FROM campaign k
    JOIN trunk t ON t.workspace_id = k.workspace_id AND t.trunk_id = k.trunk_id AND t.is_enabled
    CROSS JOIN LATERAL (
        SELECT c.next_attempt_at
        FROM call c
        WHERE c.campaign_id = k.campaign_id AND c.epoch = k.epoch AND c.status IN ('registered', 'retry')
        ORDER BY c.next_attempt_at
        LIMIT 1
    ) due
    WHERE k.status = 'ongoing' AND NOT (k.trunk_id = ANY($2::uuid[]))
      AND (k.campaign_id, k.updated_at) NOT IN (
          SELECT closed.campaign_id, closed.changed_at
          FROM unnest($4::uuid[], $5::timestamptz[], $6::timestamptz[]) AS closed (campaign_id, changed_at, opens_at)
          WHERE closed.opens_at > coalesce($1::timestamptz, statement_timestamp())
      )
)
SELECT
    k.workspace_id, k.campaign_id, k.agent_id, k.trunk_id, k.epoch, k.kind, k.call_config, k.calling_numbers, k.number_pool_id,
    t.driver, t.config AS trunk_config, g.handling_kind, g.handling_target, g.handling_is_failure_retried, g.updated_at AS agent_changed_at,
    k.updated_at AS campaign_changed_at,
    p.next_attempt_at AS next_due_at,
    coalesce($1::timestamptz, statement_timestamp()) AS now
FROM pending p
JOIN campaign k ON k.workspace_id = p.workspace_id AND k.campaign_id = p.campaign_id
JOIN trunk t ON t.workspace_id = k.workspace_id AND t.trunk_id = k.trunk_id
JOIN agent g ON g.workspace_id = k.workspace_id AND g.agent_id = k.agent_id
WHERE p.place <= $3::int
ORDER BY p.next_attempt_at, k.campaign_id
