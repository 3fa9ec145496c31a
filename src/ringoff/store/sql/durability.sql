-- What a database says of how its commits are kept.

-- name: settings
SELECT name, setting, reset_val
FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_standby_names', 'synchronous_commit');

-- name: standbys
-- To a role that is not a member of pg_monitor names and states of others' sessions are null.
SELECT coalesce(application_name, '') AS name, sync_state
FROM pg_stat_replication
WHERE state IS NULL OR state IN ('catchup', 'streaming')
ORDER BY 1;

-- name: confirming_count
SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum');
