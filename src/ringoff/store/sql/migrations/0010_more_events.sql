-- The end of a call as those hear of it who asked: a try is over (also before a retry), and nothing more will come.

-- In the order in which they are written, and so delivered. Every statement that ends calls asks here.
CREATE FUNCTION events_of_an_end(workspace uuid, agent uuid, final_status text) RETURNS SETOF text
LANGUAGE sql STABLE ROWS 1 AS $function$
    SELECT e.event_type
    FROM event_subscription e
    WHERE e.workspace_id = workspace AND (e.agent_id = agent OR e.agent_id IS NULL)
      AND (e.event_type = 'call_completed' OR (e.event_type = 'all_processing_completed' AND final_status <> 'retry'))
    GROUP BY e.event_type
    ORDER BY e.event_type DESC
$function$;

-- By the call first: a claim asks for each due delivery whether an older event of its call is undelivered, and must find that
-- here, also before the table has statistics. Any index that begins with the workspace would be read from end to end.
DROP INDEX webhook_delivery_in_order;
CREATE INDEX webhook_delivery_in_order ON webhook_delivery (call_id, subscription_id, event_id) WHERE state = 'pending';
