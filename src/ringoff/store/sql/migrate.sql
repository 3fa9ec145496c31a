-- The logs of migrations. Only store/migrate.py and store/schema.py run these.

-- Tried again and again instead of waited for: CREATE INDEX CONCURRENTLY waits for every statement that is older than
-- itself, and one that waited here, for the session that builds the index, would be a deadlock.
-- name: try_lock
SELECT pg_try_advisory_lock($1);

-- name: unlock
SELECT pg_advisory_unlock($1);

-- The lock that 0.2.0 holds while it migrates.
-- name: lock_as_before
SELECT pg_advisory_xact_lock($1);

-- name: pause
SELECT pg_sleep($1);

-- name: create_logs
CREATE TABLE IF NOT EXISTS schema_migration (
    version integer PRIMARY KEY CHECK (version > 0),
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
-- A table of its own, because 0.2.0 refuses a schema_migration with rows that it does not know.
CREATE TABLE IF NOT EXISTS schema_expansion (
    version integer PRIMARY KEY CHECK (version > 0),
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
-- One row for each file of which some steps are done and others are not.
CREATE TABLE IF NOT EXISTS schema_step (
    version integer PRIMARY KEY CHECK (version > 0),
    checksum text NOT NULL,
    done_count integer NOT NULL CHECK (done_count > 0)
);

-- name: logs
SELECT
    to_regclass('schema_migration') IS NOT NULL AS has_migrations,
    to_regclass('schema_expansion') IS NOT NULL AS has_expansions,
    to_regclass('schema_step') IS NOT NULL AS has_steps,
    to_regclass('workspace') IS NOT NULL AS has_workspaces;

-- name: applied
SELECT version, name, checksum FROM schema_migration ORDER BY version;

-- name: expanded
SELECT version, name, checksum FROM schema_expansion ORDER BY version;

-- name: half_done
SELECT version, checksum, done_count FROM schema_step ORDER BY version;

-- name: any_workspace
SELECT EXISTS (SELECT FROM workspace);

-- A migration that waits for a lock makes everybody behind it wait too; it had better fail and be tried again. A time
-- limit of the role is for requests, not for this.
-- name: limit_lock_wait
SELECT set_config('lock_timeout', $1, $2), set_config('statement_timeout', '0', $2);

-- name: unlimit_lock_wait
SELECT set_config(name, reset_val, false) FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout');

-- name: is_done
SELECT EXISTS (SELECT FROM schema_migration WHERE version = $1)
    AND NOT EXISTS (SELECT FROM schema_step WHERE version = $1);

-- name: record_migration
INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3) ON CONFLICT (version) DO NOTHING;

-- name: record_expansion
INSERT INTO schema_expansion (version, name, checksum) VALUES ($1, $2, $3) ON CONFLICT (version) DO NOTHING;

-- name: record_step
INSERT INTO schema_step (version, checksum, done_count) VALUES ($1, $2, $3)
ON CONFLICT (version) DO UPDATE SET checksum = EXCLUDED.checksum, done_count = EXCLUDED.done_count;

-- name: forget_steps
DELETE FROM schema_step WHERE version = $1;

-- Sessions of other versions on this database, by what they call themselves. Releases up to 0.2.0 gave no version. A pooler between
-- may add where it was called from.
-- name: others
SELECT application_name, count(*) AS session_count
FROM pg_stat_activity
WHERE datname = current_database()
  AND pid <> pg_backend_pid()
  AND application_name ~ '^ringoff([ /]|$)'
  AND application_name <> $1
  AND NOT starts_with(application_name, $1 || ' ')
GROUP BY application_name
ORDER BY application_name;

-- name: half_built
SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid);
