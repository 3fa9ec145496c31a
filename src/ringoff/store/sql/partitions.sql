-- Partitions that are made before they are needed. The functions come with the tables: see migrations/0014_partitions.sql.

-- name: are_there
-- False in a schema that has not been contracted yet: then there is nothing to make, and nothing to make it with.
SELECT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('call') AND c.relkind = 'p')

-- name: let_go_of_bounds
-- Of tables that were bounded for their partitioning, which was then left half done: from the bound on nobody could register anything.
DO $bounds$
DECLARE
    near record;
BEGIN
    PERFORM set_config('lock_timeout', '200', true);
    FOR near IN
        SELECT c.conrelid::regclass AS of_table, c.conname
        FROM pg_constraint c
        JOIN unnest('{call,dial_attempt,contact,outbox_event,webhook_delivery}'::text[]) AS t (name) ON c.conrelid = to_regclass(t.name)
        WHERE c.contype = 'c' AND c.conname ~ (t.name || '_before_\d{8}$') AND right(c.conname, 8)::date < (now() + interval '2 days')::date
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', near.of_table, near.conname);
        RAISE WARNING 'the bound % was let go: a migration is half done', near.conname;
    END LOOP;
END
$bounds$

-- name: missing
-- From this period on, up to the one in so many days. Nothing is missing where the table as it once was goes on.
SELECT t.name AS of_table, p.from_at, next_period(p.from_at) AS to_at
FROM (
    SELECT DISTINCT period_floor(now() + make_interval(days => n)) AS from_at FROM generate_series(0, $1::int) AS n
) p
CROSS JOIN partitioned_tables() t
JOIN pg_class parent ON parent.oid = to_regclass(t.name) AND parent.relkind = 'p'
CROSS JOIN LATERAL (SELECT t.name || to_char(p.from_at AT TIME ZONE 'UTC', '_YYYYMMDD') AS name) wanted
WHERE NOT EXISTS (
    SELECT FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = parent.oid
      AND (c.relname = wanted.name
          OR (c.relname LIKE t.name || '\_before\_%' AND right(c.relname, 8) > right(wanted.name, 8)))
)
ORDER BY p.from_at, t.name

-- name: alone
-- One process at a time; the others find it done at their next look. Everybody stands still behind it, for no longer than this.
SELECT pg_try_advisory_xact_lock(hashtextextended('partitions', 0)), set_config('lock_timeout', $1, true),
    set_config('statement_timeout', '5000', true)

-- name: make
SELECT make_partition($1, $2, $3)

-- name: advance_ids
SELECT advance_ids()
