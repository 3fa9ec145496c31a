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
