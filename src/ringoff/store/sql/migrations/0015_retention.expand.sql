-- Erasing the data of persons by number, and dropping whole periods. Nothing that dials, ends, settles, serves or delivers looks here.

CREATE TABLE IF NOT EXISTS erasure (
    workspace_id uuid NOT NULL REFERENCES workspace,
    erasure_id uuid NOT NULL DEFAULT ordered_uuid(),
    api_key_id uuid NOT NULL,
    reason text CHECK (length(reason) <= 500),
    suppress boolean NOT NULL,
    suppressed_count integer NOT NULL DEFAULT 0,
    -- Until it is done; then the masked ones are all that is known.
    numbers text[],
    masked_numbers text[] NOT NULL CHECK (cardinality(masked_numbers) BETWEEN 1 AND 100),
    termination_id uuid,
    state text NOT NULL DEFAULT 'ordered' CHECK (state IN ('ordered', 'waiting', 'erasing', 'done')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When its pending calls had been terminated, and the transaction that knew it: what was registered before is covered.
    ordered_at timestamptz,
    ordered_xid xid8,
    begun_at timestamptz,
    ended_at timestamptz,
    -- When it is looked at next.
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    step text,
    place text NOT NULL DEFAULT '',
    first_call_id uuid,
    beyond_call_id uuid,
    read_count bigint NOT NULL DEFAULT 0,
    call_count bigint NOT NULL DEFAULT 0,
    attempt_count bigint NOT NULL DEFAULT 0,
    contact_count bigint NOT NULL DEFAULT 0,
    event_count bigint NOT NULL DEFAULT 0,
    words_count bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace_id, erasure_id),
    CONSTRAINT numbers_until_done CHECK ((state = 'done') = (numbers IS NULL)),
    CONSTRAINT done_iff_ended CHECK ((state = 'done') = (ended_at IS NOT NULL)),
    CONSTRAINT erasing_has_a_step CHECK ((state = 'erasing') = (step IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS erasure_unfinished ON erasure (workspace_id, erasure_id) WHERE state <> 'done';

-- What has been dropped: counts that are kept do not have to agree with calls that are not.
CREATE TABLE IF NOT EXISTS dropped_period (
    of_table text NOT NULL,
    name text NOT NULL,
    dropped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    from_at timestamptz,
    to_at timestamptz,
    -- Whatever was registered, or has ended, since then was kept.
    bound_at timestamptz NOT NULL,
    row_estimate bigint NOT NULL,
    byte_count bigint NOT NULL,
    -- Rows that were moved to the default partition because somebody needs them.
    kept_count bigint NOT NULL,
    PRIMARY KEY (of_table, name, dropped_at)
);

-- The time of a key in the bound of a partition: the first 48 bits of a call's id, the days of the others.
CREATE OR REPLACE FUNCTION time_of_key(key text) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN key LIKE '%-%' THEN to_timestamp(('x' || left(replace(key, '-', ''), 12))::bit(48)::bigint / 1000.0)
    ELSE to_timestamp((key::bigint >> 32) * 86400)
END;

-- Every partition, oldest first. An instant that is null has no bound; a default partition has none at all.
CREATE OR REPLACE FUNCTION periods() RETURNS TABLE (
    of_table text, name text, low_key text, high_key text, from_at timestamptz, to_at timestamptz, is_default boolean,
    row_estimate bigint, byte_count bigint
)
LANGUAGE sql STABLE AS $function$
    SELECT t.of_table, c.relname::text, b.low_key, b.high_key, time_of_key(b.low_key), time_of_key(b.high_key),
        pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)
    FROM unnest('{call,dial_attempt,contact,outbox_event,webhook_delivery}'::text[]) WITH ORDINALITY AS t (of_table, place)
    JOIN pg_inherits i ON i.inhparent = to_regclass(t.of_table)
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (
        SELECT substring(e.bound FROM 'FROM \(''?([0-9a-f-]+)''?\)') AS low_key, substring(e.bound FROM 'TO \(''?([0-9a-f-]+)''?\)') AS high_key
        FROM (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) e
    ) b
    ORDER BY t.place, b.high_key
$function$;

-- Notes in the table `kept` what somebody needs of one period, and why; more than kept_max of a kind are not noted, and the period
-- stays. Reads beside whoever works. With is_last_look only what may have changed since the first look, each by an index.
CREATE OR REPLACE FUNCTION find_kept(
    table_name text, part text, low text, high text, bound timestamptz, kept_max integer, is_last_look boolean
) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
    low_id uuid := CASE WHEN table_name IN ('call', 'dial_attempt')
        THEN coalesce(low, '00000000-0000-0000-0000-000000000000')::uuid END;
    high_id uuid := CASE WHEN table_name IN ('call', 'dial_attempt') THEN high::uuid END;
    low_no bigint := CASE WHEN table_name NOT IN ('call', 'dial_attempt') THEN coalesce(low, '0')::bigint END;
    high_no bigint := CASE WHEN table_name NOT IN ('call', 'dial_attempt') THEN high::bigint END;
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS kept (workspace_id uuid, id uuid, no bigint, why text) ON COMMIT DROP;
    IF NOT is_last_look THEN
        DELETE FROM kept;
    END IF;
    CASE table_name
    WHEN 'call' THEN
        EXECUTE format(
            $$INSERT INTO kept
            (SELECT workspace_id, call_id, 0, 'open calls' FROM %1$I WHERE status IN ('registered', 'retry') LIMIT $1)
            UNION ALL
            (SELECT workspace_id, call_id, 0, 'open calls' FROM %1$I WHERE status = 'ongoing' LIMIT $1)$$, part
        ) USING kept_max + 1;
        -- A call that an order has ended may still be on the wire.
        INSERT INTO kept
        SELECT a.workspace_id, a.call_id, 0, 'open calls'
        FROM dial_attempt a
        WHERE a.state IN ('prepared', 'originated', 'ringing', 'answered') AND a.call_id >= low_id AND a.call_id < high_id
        LIMIT kept_max + 1;
        IF NOT is_last_look THEN
            INSERT INTO kept
            SELECT d.workspace_id, d.call_id, 0, 'undelivered events'
            FROM webhook_delivery d
            WHERE d.state = 'pending' AND d.call_id >= low_id AND d.call_id < high_id
            LIMIT kept_max + 1;
            EXECUTE format(
                $$INSERT INTO kept SELECT workspace_id, call_id, 0, 'calls that ended since' FROM %I WHERE ended_at >= $2 LIMIT $1$$, part
            ) USING kept_max + 1, bound;
        END IF;
    WHEN 'dial_attempt' THEN
        INSERT INTO kept
        SELECT c.workspace_id, c.call_id, 0, 'attempts of kept calls'
        FROM call_default c
        WHERE c.call_id >= low_id AND c.call_id < high_id
        LIMIT kept_max + 1;
        EXECUTE format(
            $$INSERT INTO kept SELECT workspace_id, call_id, 0, 'open calls' FROM %I
            WHERE state IN ('prepared', 'originated', 'ringing', 'answered') LIMIT $1$$, part
        ) USING kept_max + 1;
    WHEN 'contact' THEN
        INSERT INTO kept
        SELECT c.workspace_id, c.campaign_id, c.contact_id, 'contacts of kept calls'
        FROM call_default c
        WHERE c.contact_id >= low_no AND c.contact_id < high_no
        LIMIT kept_max + 1;
        IF NOT is_last_look THEN
            -- Of a list that was started again later, or whose ids ran behind the time.
            EXECUTE format(
                $$INSERT INTO kept
                WITH RECURSIVE known AS (
                    (SELECT workspace_id, campaign_id FROM %1$I ORDER BY workspace_id, campaign_id LIMIT 1)
                    UNION ALL
                    SELECT n.workspace_id, n.campaign_id
                    FROM known k
                    CROSS JOIN LATERAL (
                        SELECT t.workspace_id, t.campaign_id
                        FROM %1$I t
                        WHERE (t.workspace_id, t.campaign_id) > (k.workspace_id, k.campaign_id)
                        ORDER BY t.workspace_id, t.campaign_id
                        LIMIT 1
                    ) n
                )
                SELECT DISTINCT c.workspace_id, c.campaign_id, c.contact_id, 'contacts of later calls'
                FROM known n
                JOIN campaign k ON k.workspace_id = n.workspace_id AND k.campaign_id = n.campaign_id
                CROSS JOIN LATERAL (
                    SELECT o.workspace_id, o.campaign_id, o.contact_id
                    FROM call o
                    WHERE o.workspace_id = n.workspace_id AND o.campaign_id = n.campaign_id AND o.call_id >= $4
                    ORDER BY o.call_id
                    -- Each individual call has a contact of its own, in about the order of the calls.
                    LIMIT CASE k.kind WHEN 'individual' THEN $1 END
                ) c
                WHERE c.contact_id >= $2 AND c.contact_id < $3
                LIMIT $1$$, part
            ) USING kept_max + 1, low_no, high_no, ordered_uuid_floor(next_period(time_of_key(high)));
        END IF;
    WHEN 'outbox_event' THEN
        INSERT INTO kept
        SELECT d.workspace_id, NULL, d.event_id, 'undelivered events'
        FROM webhook_delivery d
        WHERE d.state = 'pending' AND d.event_id >= low_no AND d.event_id < high_no
        LIMIT kept_max + 1;
    WHEN 'webhook_delivery' THEN
        EXECUTE format(
            $$INSERT INTO kept SELECT workspace_id, subscription_id, event_id, 'undelivered events' FROM %I
            WHERE state = 'pending' LIMIT $1$$, part
        ) USING kept_max + 1;
    END CASE;
END
$function$;

-- After the first look, in its transaction. False when the locks could not be had in time, when more is kept than may be moved, or when
-- this role owns no table: then nothing was changed. Whoever works waits for an instant: the partition is taken off, the few rows go to the default one.
CREATE OR REPLACE FUNCTION drop_period(table_name text, part text, bound timestamptz, kept_max integer, lock_wait_ms integer)
RETURNS boolean LANGUAGE plpgsql AS $function$
DECLARE
    the_period record;
    columns text;
    moved bigint;
BEGIN
    SELECT p.* INTO STRICT the_period FROM periods() p WHERE p.of_table = table_name AND p.name = part AND NOT p.is_default;
    PERFORM set_config('lock_timeout', lock_wait_ms::text, true), set_config('enable_seqscan', 'off', true);
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', table_name, part);
    PERFORM find_kept(table_name, part, the_period.low_key, the_period.high_key, bound, kept_max, true);
    IF (SELECT count(*) FROM (SELECT DISTINCT workspace_id, id, no FROM kept) k) > kept_max THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = 'more is kept than may be moved';
    END IF;
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns
    FROM pg_attribute a
    WHERE a.attrelid = part::regclass AND a.attnum > 0 AND NOT a.attisdropped;
    -- Into the default partition itself: an event that is only moved is not fanned out again.
    EXECUTE format(
        'INSERT INTO %1$I (%2$s) SELECT %2$s FROM %3$I t JOIN (SELECT DISTINCT workspace_id AS w, id AS i, no AS n FROM kept) k'
        ' ON t.workspace_id = k.w AND %4$s',
        table_name || '_default', columns, part,
        CASE table_name
        WHEN 'contact' THEN 't.campaign_id = k.i AND t.contact_id = k.n'
        WHEN 'outbox_event' THEN 't.event_id = k.n'
        WHEN 'webhook_delivery' THEN 't.subscription_id = k.i AND t.event_id = k.n'
        ELSE 't.call_id = k.i'
        END
    );
    GET DIAGNOSTICS moved = ROW_COUNT;
    EXECUTE format('DROP TABLE %I', part);
    INSERT INTO dropped_period (of_table, name, from_at, to_at, bound_at, row_estimate, byte_count, kept_count)
    VALUES (
        table_name, part, the_period.from_at, the_period.to_at, bound, the_period.row_estimate, the_period.byte_count, moved
    );
    PERFORM set_config('lock_timeout', '0', true), set_config('enable_seqscan', 'on', true);
    RETURN true;
EXCEPTION WHEN lock_not_available OR deadlock_detected OR insufficient_privilege THEN
    RETURN false;
END
$function$;
