-- Who hears of a call besides the subscribers of ends: of its registration, of its end for good, and callbacks of requests.

-- In the order in which they are written, and so delivered. Every statement that ends calls asks here.
CREATE FUNCTION events_of_an_end(workspace uuid, agent uuid, final_status text) RETURNS SETOF text
LANGUAGE sql STABLE ROWS 1 AS $function$
    SELECT w.event_type
    FROM event_subscription e
    -- A callback of a request hears of the same event as a subscriber of ends.
    CROSS JOIN LATERAL (
        SELECT CASE e.event_type WHEN 'status_callback' THEN 'call_completed' ELSE e.event_type END AS event_type
    ) w
    WHERE e.workspace_id = workspace AND (e.agent_id = agent OR e.agent_id IS NULL)
      AND (w.event_type = 'call_completed' OR (w.event_type = 'all_processing_completed' AND final_status <> 'retry'))
    GROUP BY w.event_type
    ORDER BY w.event_type DESC
$function$;

-- By the call first: a claim asks for each due delivery whether an older event of its call is undelivered, and must find that
-- here, also before the table has statistics. Any index that begins with the workspace would be read from end to end.
DROP INDEX webhook_delivery_in_order;
CREATE INDEX webhook_delivery_in_order ON webhook_delivery (call_id, subscription_id, event_id) WHERE state = 'pending';

-- Callbacks that came with a request have one subscription for each host, so that a dead host pauses and fills its own slots.
ALTER TABLE event_subscription
    ADD COLUMN origin text CHECK (length(origin) BETWEEN 1 AND 2048),
    ADD CONSTRAINT only_callbacks_have_an_origin CHECK ((origin IS NOT NULL) = (event_type = 'status_callback')),
    DROP CONSTRAINT event_subscription_workspace_id_event_type_agent_id_key,
    ADD CONSTRAINT one_subscription_for_each UNIQUE NULLS NOT DISTINCT (workspace_id, event_type, agent_id, origin);
-- Whoever writes events asks for those of one agent, and of none: not for those of all agents of a workspace.
CREATE INDEX event_subscription_by_agent ON event_subscription (workspace_id, agent_id);

-- Where one call, or the calls of one campaign, are told of.
CREATE TABLE status_callback (
    workspace_id uuid NOT NULL,
    -- A call or a campaign.
    subject_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    callback_url text NOT NULL CHECK (length(callback_url) BETWEEN 1 AND 2048),
    headers jsonb NOT NULL,
    PRIMARY KEY (workspace_id, subject_id),
    FOREIGN KEY (workspace_id, subscription_id) REFERENCES event_subscription (workspace_id, subscription_id)
);

CREATE OR REPLACE FUNCTION fan_out_events() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF EXISTS (SELECT FROM event_subscription WHERE callback_url IS NOT NULL) THEN
        INSERT INTO webhook_delivery (workspace_id, subscription_id, event_id, call_id)
        SELECT e.workspace_id, s.subscription_id, e.event_id, e.call_id
        FROM fresh e
        LEFT JOIN campaign k ON k.workspace_id = e.workspace_id AND k.campaign_id = (e.payload ->> 'campaign_id')::uuid
        JOIN event_subscription s ON s.workspace_id = e.workspace_id AND s.event_type = e.event_type
            AND (s.agent_id IS NULL OR s.agent_id = k.agent_id)
        WHERE s.callback_url IS NOT NULL;
    END IF;
    IF EXISTS (SELECT FROM event_subscription WHERE origin IS NOT NULL) THEN
        INSERT INTO webhook_delivery (workspace_id, subscription_id, event_id, call_id)
        SELECT e.workspace_id, b.subscription_id, e.event_id, e.call_id
        FROM fresh e
        JOIN status_callback b ON b.workspace_id = e.workspace_id
            AND b.subject_id = ANY(ARRAY[e.call_id, (e.payload ->> 'campaign_id')::uuid])
        WHERE e.event_type = 'call_completed';
    END IF;
    RETURN NULL;
END
$function$;
