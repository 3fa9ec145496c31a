-- The migration log. Only store/migrate.py runs these.

-- name: lock
SELECT pg_advisory_lock($1);

-- name: unlock
SELECT pg_advisory_unlock($1);

-- name: create_log
CREATE TABLE IF NOT EXISTS schema_migration (
    version integer PRIMARY KEY CHECK (version > 0),
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: log_exists
SELECT to_regclass('schema_migration') IS NOT NULL;

-- name: applied
SELECT version, name, checksum FROM schema_migration ORDER BY version;

-- A migration that waits for a lock makes everybody behind it wait too; it had better fail and be tried again.
-- name: limit_lock_wait
SET LOCAL lock_timeout = '10s';

-- name: record
INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3);
