-- Webhooks: where the events of a subscription go, and how far each of them has come.

ALTER TABLE event_subscription
    ADD COLUMN subscription_id uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Null: the events are written for whoever reads the outbox, and sent to nobody.
    ADD COLUMN callback_url text CHECK (length(callback_url) BETWEEN 1 AND 2048),
    ADD COLUMN headers jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN method text NOT NULL DEFAULT 'POST' CHECK (method IN ('POST', 'PUT', 'PATCH')),
    ADD COLUMN signing_secret text,
    ADD COLUMN failed_count integer NOT NULL DEFAULT 0,
    ADD COLUMN failed_since timestamptz,
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN alarm text CHECK (length(alarm) <= 500),
    ADD CONSTRAINT a_url_has_a_secret CHECK ((callback_url IS NULL) = (signing_secret IS NULL)),
    ADD CONSTRAINT paused_says_why CHECK ((paused_at IS NULL) = (alarm IS NULL)),
    ADD CONSTRAINT subscription_by_id UNIQUE (workspace_id, subscription_id);

CREATE TABLE webhook_delivery (
    workspace_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    event_id bigint NOT NULL,
    -- Null for an event that belongs to no call: those keep no order.
    call_id uuid,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dropped')),
    tries smallint NOT NULL DEFAULT 0,
    -- When it may be tried; while it is being tried, when whoever tries it is taken for dead.
    next_try_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at timestamptz,
    status smallint,
    latency_ms integer,
    excerpt text CHECK (length(excerpt) <= 1024),
    PRIMARY KEY (workspace_id, subscription_id, event_id)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (workspace_id, subscription_id, next_try_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_in_order ON webhook_delivery (workspace_id, subscription_id, call_id, event_id)
    WHERE state = 'pending';
CREATE INDEX webhook_delivery_of_event ON webhook_delivery (workspace_id, event_id) WHERE state = 'pending';

-- In the transaction that writes the event: no event is committed without its deliveries, whoever writes it.
CREATE FUNCTION fan_out_events() RETURNS trigger LANGUAGE plpgsql AS $function$
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
    RETURN NULL;
END
$function$;
CREATE TRIGGER fan_out AFTER INSERT ON outbox_event
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION fan_out_events();
