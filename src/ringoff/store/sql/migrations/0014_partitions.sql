-- Calls, attempts, contacts, events and deliveries in partitions of one period each, so that a period can be dropped.
--
-- Nothing is rewritten, and nothing is read under a lock that stops anybody: a check that is proved beside the work says that the
-- table so far holds only what is older than a coming period; then the table becomes the partition of all that, in an instant.
-- Names: call_before_20270101 (older than that day), call_20270101 (the period from that day on), call_default (what has no other
-- place). docs/decisions/0040 and 0041 have the reasons.

CREATE OR REPLACE FUNCTION partitioned_tables() RETURNS TABLE (name text, key_column text) LANGUAGE sql IMMUTABLE AS $function$
    VALUES
        ('call', 'call_id'), ('dial_attempt', 'call_id'), ('contact', 'contact_id'), ('outbox_event', 'event_id'),
        ('webhook_delivery', 'event_id')
$function$;

-- The smallest key of an instant, as a literal.
CREATE OR REPLACE FUNCTION partition_key_floor(of_table text, at timestamptz) RETURNS text LANGUAGE sql STABLE AS $function$
    SELECT quote_literal(
        CASE key_column WHEN 'call_id' THEN ordered_uuid_floor(at)::text ELSE ordered_id_floor(at)::text END
    )
    FROM partitioned_tables()
    WHERE name = of_table
$function$;

-- Makes one partition unless it exists or something older covers it, and moves what it should hold out of the default one. Who waits
-- for its locks stands in nobody's way for longer than the caller's lock_timeout.
--
-- A late one takes the whole table for that: a statement that is being planned has seen the parent's partitions before it waits for the
-- default one, so it would look there for rows that have just been moved, and in no other place: an order would cover nothing. Behind the
-- parent itself it plans when the new partition is there. One that is made in time moves nothing, and stops nobody at the parent.
CREATE OR REPLACE FUNCTION make_partition(of_table text, from_at timestamptz, to_at timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $function$
DECLARE
    made text := of_table || to_char(from_at AT TIME ZONE 'UTC', '_YYYYMMDD');
    key_name text := (SELECT t.key_column FROM partitioned_tables() t WHERE t.name = of_table);
    low text := partition_key_floor(of_table, from_at);
    high text := partition_key_floor(of_table, to_at);
    -- Everybody stands still while rows are moved, about a second for so many. With more of them the period stays where it is.
    moved_max CONSTANT bigint := 50000;
    count_rows text := format(
        'SELECT count(*) FROM (SELECT FROM %I WHERE %I >= %s AND %I < %s LIMIT %s) r',
        of_table || '_default', key_name, low, key_name, high, moved_max + 1
    );
    is_late boolean;
    found bigint;
BEGIN
    IF EXISTS (
        SELECT FROM pg_inherits i
        JOIN pg_class p ON p.oid = i.inhrelid
        WHERE i.inhparent = of_table::regclass
          AND (p.relname = made OR (p.relname LIKE of_table || '\_before\_%' AND right(p.relname, 8) > right(made, 8)))
    ) THEN
        RETURN false;
    END IF;
    EXECUTE count_rows INTO found;
    IF found > moved_max THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = 'the default partition holds more of this period than may be moved';
    END IF;
    is_late := found > 0 OR from_at <= clock_timestamp();
    -- ONLY: the other partitions stay free, also for whoever vacuums them.
    EXECUTE format('LOCK TABLE ONLY %I IN %s MODE', of_table, CASE WHEN is_late THEN 'ACCESS EXCLUSIVE' ELSE 'SHARE UPDATE EXCLUSIVE' END);
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', of_table || '_default');
    IF NOT is_late THEN
        EXECUTE count_rows INTO found;
        IF found > 0 THEN
            RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = 'rows of a coming period have just been written';
        END IF;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', made, of_table);
    EXECUTE format(
        'WITH moved AS (DELETE FROM %I WHERE %I >= %s AND %I < %s RETURNING *) INSERT INTO %I SELECT * FROM moved',
        of_table || '_default', key_name, low, key_name, high, made
    );
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', of_table, made, low, high);
    RETURN true;
END
$function$;

-- Turns a table into the parent of its former self. What is copied is looked up, so that nothing is left behind: checks, defaults,
-- indexes with their names, the view over calls.
CREATE OR REPLACE FUNCTION partition_table(of_table text) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
    bound text;
    former text;
    key_name text := (SELECT t.key_column FROM partitioned_tables() t WHERE t.name = of_table);
    primary_key record;
    index_definitions text[];
    index_name text;
    view_definition text;
    is_kept boolean;
BEGIN
    IF (SELECT c.relkind FROM pg_class c WHERE c.oid = of_table::regclass) = 'p' THEN
        RETURN;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', of_table);
    -- Let go by a process that dials, because this file was left half done until the bound had come near: read while everybody waits.
    IF NOT EXISTS (
        SELECT FROM pg_constraint c
        WHERE c.conrelid = of_table::regclass AND c.conname LIKE of_table || '\_before\_%' AND c.convalidated
    ) THEN
        PERFORM bound_table(of_table), prove_bound(of_table);
    END IF;
    SELECT c.conname INTO STRICT bound
    FROM pg_constraint c
    WHERE c.conrelid = of_table::regclass AND c.conname LIKE of_table || '\_before\_%' AND c.convalidated;
    former := bound;
    -- An empty table has nothing to keep. All of them go or stay together: a period of one is a period of the others.
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', of_table) INTO is_kept;
    is_kept := is_kept OR EXISTS (SELECT FROM pg_class c WHERE c.relname LIKE 'call\_before\_%' AND c.relkind = 'r');

    SELECT c.conname, pg_get_constraintdef(c.oid) AS definition INTO STRICT primary_key
    FROM pg_constraint c
    WHERE c.conrelid = of_table::regclass AND c.contype = 'p';
    SELECT array_agg(pg_get_indexdef(i.indexrelid) ORDER BY i.indexrelid) INTO index_definitions
    FROM pg_index i
    WHERE i.indrelid = of_table::regclass AND NOT i.indisprimary;
    FOR index_name IN
        SELECT i.indexrelid::regclass::text FROM pg_index i WHERE i.indrelid = of_table::regclass AND NOT i.indisprimary
    LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', index_name, former || '_' || index_name);
    END LOOP;
    EXECUTE format(
        'ALTER TABLE %I RENAME CONSTRAINT %I TO %I', of_table, primary_key.conname, former || '_' || primary_key.conname
    );
    IF of_table = 'call' THEN
        view_definition := pg_get_viewdef('call_effective'::regclass);
        DROP VIEW call_effective;
    END IF;

    EXECUTE format('ALTER TABLE %I RENAME TO %I', of_table, former);
    EXECUTE format(
        'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)'
        ' PARTITION BY RANGE (%I)',
        of_table, former, key_name
    );
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', of_table, bound);
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I %s', of_table, primary_key.conname, primary_key.definition);
    FOR i IN 1 .. coalesce(cardinality(index_definitions), 0) LOOP
        EXECUTE index_definitions[i];
    END LOOP;
    IF is_kept THEN
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%s)',
            of_table, former, partition_key_floor(of_table, right(bound, 8)::date::timestamp AT TIME ZONE 'UTC')
        );
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', former, bound);
    ELSE
        EXECUTE format('DROP TABLE %I', former);
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', of_table || '_default', of_table);
    PERFORM make_partition(of_table, p.at, next_period(p.at))
    FROM (VALUES (period_floor(now())), (next_period(now()))) p (at);
    IF view_definition IS NOT NULL THEN
        EXECUTE 'CREATE VIEW call_effective AS ' || view_definition;
    END IF;
END
$function$;

-- Sets a sequence forward to the first id of the day, once the partition of that day is there. Ids never go back: whoever has this
-- lock is alone in setting it, and numbers that are given meanwhile are below.
CREATE OR REPLACE FUNCTION advance_ids() RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
    of_table text;
    of_sequence text;
    last_id bigint;
    today bigint := ordered_id_floor(clock_timestamp());
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('ordered ids', 0));
    FOR of_table, of_sequence IN VALUES ('contact', 'contact_ids'), ('outbox_event', 'event_ids') LOOP
        CONTINUE WHEN to_regclass(of_sequence) IS NULL;
        EXECUTE format('SELECT last_value FROM %I', of_sequence) INTO last_id;
        IF last_id < today AND (
            SELECT bool_and(to_regclass(t || to_char(period_floor(now()) AT TIME ZONE 'UTC', '_YYYYMMDD')) IS NOT NULL)
            FROM unnest(CASE of_table WHEN 'contact' THEN '{contact}' ELSE '{outbox_event,webhook_delivery}' END::text[]) t
        ) THEN
            PERFORM setval(of_sequence, today, false);
        END IF;
    END LOOP;
END
$function$;

-- The table so far holds what is older than a period that begins in two weeks at least: time enough for the next steps. A bound
-- that has come too near since is set anew.
CREATE OR REPLACE FUNCTION bound_table(of_table text) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
    bound text;
    key_name text := (SELECT t.key_column FROM partitioned_tables() t WHERE t.name = of_table);
    bound_at timestamptz := next_period(now() + interval '14 days');
BEGIN
    IF (SELECT c.relkind FROM pg_class c WHERE c.oid = of_table::regclass) = 'p' THEN
        RETURN;
    END IF;
    FOR bound IN
        SELECT c.conname FROM pg_constraint c
        WHERE c.conrelid = of_table::regclass AND c.conname LIKE of_table || '\_before\_%'
    LOOP
        IF right(bound, 8)::date > (now() + interval '7 days')::date THEN
            RETURN;
        END IF;
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', of_table, bound);
    END LOOP;
    EXECUTE format(
        'ALTER TABLE %I ADD CONSTRAINT %I CHECK (%I < %s) NOT VALID',
        of_table, of_table || to_char(bound_at AT TIME ZONE 'UTC', '_"before"_YYYYMMDD'), key_name,
        partition_key_floor(of_table, bound_at)
    );
END
$function$;

-- Reads the table beside whoever writes it.
CREATE OR REPLACE FUNCTION prove_bound(of_table text) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
    bound text := (
        SELECT c.conname FROM pg_constraint c
        WHERE c.conrelid = of_table::regclass AND c.conname LIKE of_table || '\_before\_%' AND NOT c.convalidated
    );
BEGIN
    IF bound IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I VALIDATE CONSTRAINT %I', of_table, bound);
    END IF;
END
$function$;

-- step outside a transaction
-- The key of an attempt tells its call from now on: what names both reads one partition.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS dial_attempt_by_key ON dial_attempt (workspace_id, attempt_id, call_id);

-- step
SELECT bound_table('call');
-- step
SELECT bound_table('dial_attempt');
-- step
SELECT bound_table('contact');
-- step
SELECT bound_table('outbox_event');
-- step
SELECT bound_table('webhook_delivery');
-- step
SELECT prove_bound('call');
-- step
SELECT prove_bound('dial_attempt');
-- step
SELECT prove_bound('contact');
-- step
SELECT prove_bound('outbox_event');
-- step
SELECT prove_bound('webhook_delivery');

-- step
-- From here on a session of 0.2.0, which calls itself ringoff (and a pooler may add its address), can give no order; with each table that is partitioned below it can write
-- none of its rows either. A contract is refused while such a session is connected, but one that had lost its connection just then comes
-- back unseen, and it writes rows by their place, which names several rows of a partitioned table. Its next statement ends in an error.
CREATE OR REPLACE FUNCTION refuse_older_process() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION 'this database has been migrated to a later version of Ringoff: stop this process, and start that version';
END
$function$;
CREATE OR REPLACE TRIGGER refuse_older_process BEFORE INSERT OR UPDATE OR DELETE ON termination
    FOR EACH STATEMENT WHEN (current_setting('application_name') ~ '^ringoff( |$)') EXECUTE FUNCTION refuse_older_process();

-- step
SELECT partition_table('call');
CREATE OR REPLACE TRIGGER refuse_older_process BEFORE INSERT OR UPDATE OR DELETE ON call
    FOR EACH STATEMENT WHEN (current_setting('application_name') ~ '^ringoff( |$)') EXECUTE FUNCTION refuse_older_process();

-- step
-- Sequences of their own instead of identities, which partitions have from PostgreSQL 17 on only. They go on where those stopped.
DO $migration$
DECLARE
    last_id bigint;
BEGIN
    IF (SELECT c.relkind FROM pg_class c WHERE c.oid = 'contact'::regclass) = 'r' THEN
        LOCK TABLE contact IN ACCESS EXCLUSIVE MODE;
        SELECT last_value INTO last_id FROM contact_contact_id_seq;
        ALTER TABLE contact ALTER COLUMN contact_id DROP IDENTITY;
        CREATE SEQUENCE contact_ids AS bigint;
        PERFORM setval('contact_ids', last_id);
        ALTER TABLE contact ALTER COLUMN contact_id SET DEFAULT nextval('contact_ids');
        PERFORM partition_table('contact');
        ALTER SEQUENCE contact_ids OWNED BY contact.contact_id;
    END IF;
END
$migration$;

-- step
DO $migration$
DECLARE
    last_id bigint;
BEGIN
    IF (SELECT c.relkind FROM pg_class c WHERE c.oid = 'outbox_event'::regclass) = 'r' THEN
        LOCK TABLE outbox_event IN ACCESS EXCLUSIVE MODE;
        SELECT last_value INTO last_id FROM outbox_event_event_id_seq;
        ALTER TABLE outbox_event ALTER COLUMN event_id DROP IDENTITY;
        CREATE SEQUENCE event_ids AS bigint;
        PERFORM setval('event_ids', last_id);
        ALTER TABLE outbox_event ALTER COLUMN event_id SET DEFAULT nextval('event_ids');
        DROP TRIGGER fan_out ON outbox_event;
        PERFORM partition_table('outbox_event');
        ALTER SEQUENCE event_ids OWNED BY outbox_event.event_id;
        CREATE TRIGGER fan_out AFTER INSERT ON outbox_event
            REFERENCING NEW TABLE AS fresh
            FOR EACH STATEMENT EXECUTE FUNCTION fan_out_events();
        CREATE TRIGGER refuse_older_process BEFORE INSERT OR UPDATE OR DELETE ON outbox_event
            FOR EACH STATEMENT WHEN (current_setting('application_name') ~ '^ringoff( |$)') EXECUTE FUNCTION refuse_older_process();
    END IF;
END
$migration$;

-- step
SELECT partition_table('webhook_delivery');
CREATE OR REPLACE TRIGGER refuse_older_process BEFORE INSERT OR UPDATE OR DELETE ON webhook_delivery
    FOR EACH STATEMENT WHEN (current_setting('application_name') ~ '^ringoff( |$)') EXECUTE FUNCTION refuse_older_process();

-- step
SELECT advance_ids();

-- step
DO $migration$
BEGIN
    IF (SELECT c.relkind FROM pg_class c WHERE c.oid = 'dial_attempt'::regclass) = 'r' THEN
        ALTER TABLE dial_attempt
            DROP CONSTRAINT dial_attempt_pkey,
            ADD CONSTRAINT dial_attempt_pkey PRIMARY KEY USING INDEX dial_attempt_by_key;
        PERFORM partition_table('dial_attempt');
    END IF;
END
$migration$;
CREATE OR REPLACE TRIGGER refuse_older_process BEFORE INSERT OR UPDATE OR DELETE ON dial_attempt
    FOR EACH STATEMENT WHEN (current_setting('application_name') ~ '^ringoff( |$)') EXECUTE FUNCTION refuse_older_process();
DROP FUNCTION bound_table(text);
DROP FUNCTION prove_bound(text);
DROP FUNCTION partition_table(text);
