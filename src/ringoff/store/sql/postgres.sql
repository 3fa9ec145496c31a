-- The few statements of the connection plumbing itself.

-- name: set_up
-- Set here and not at the connection's start, where a pooler refuses what it does not know.
SELECT set_config(name, setting, false) FROM unnest($1::text[], $2::text[]) AS wanted (name, setting);

-- name: confirm_commits
-- An acknowledgement rests on a commit that is on the disk, here and on a synchronous standby: no setting of a role or of
-- a database may lower that, nor one of the server that is read while we are connected: so it is set in any case.
-- `remote_apply` is more than `on`.
SELECT is_raised, set_config('synchronous_commit', CASE WHEN is_raised THEN 'on' ELSE given END, false)
FROM (SELECT c.given, c.given NOT IN ('on', 'remote_apply') AS is_raised FROM current_setting('synchronous_commit') AS c (given)) f;

-- name: incarnation
SELECT
    pg_is_in_recovery() AS is_standby,
    pg_backend_pid() AS backend_pid,
    -- A crash of one backend takes all sessions and their locks with it, under a postmaster that lives on: the recovery resets
    -- these statistics. Whoever resets them by hand has everybody rest for the quiet time, no more.
    pg_postmaster_start_time()::text || ' ' || coalesce((SELECT w.stats_reset::text FROM pg_stat_wal w), '') AS started_at,
    clock_timestamp() AS now;

-- name: timeline
-- The first eight digits of the name of the log's segment: each promotion begins a new one.
SELECT
    (SELECT system_identifier FROM pg_control_system())::text AS system_id,
    substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS timeline;

-- name: backend_pid
SELECT pg_backend_pid();

-- name: mark
-- A trace in the log, and nothing else: the commit behind it is confirmed by the synchronous standby, and with it all that
-- this transaction could see.
SELECT clock_timestamp() FROM pg_logical_emit_message(true, 'ringoff', '');

-- name: marked_commit
SELECT pg_logical_emit_message(true, 'ringoff', '');
COMMIT;

-- name: has_written
SELECT pg_current_xact_id_if_assigned() IS NOT NULL;

-- name: end_standing_still
-- Sessions of ours that are neither idle nor at work: their process has yet to send, or to take, something. What they do changes with
-- each statement, and within a COPY with each piece. Those of $1 that still do what $2 says are ended.
SELECT w.pid, w.session, w.is_of_loops, w.doing, CASE WHEN d.pid IS NOT NULL THEN pg_terminate_backend(w.pid) ELSE false END AS is_ended
FROM (
    SELECT a.pid, a.application_name AS session, a.application_name ~ '^ringoff/[^ ]+ (orders|dispatch)( |$)' AS is_of_loops,
        concat_ws(' ', a.backend_start, a.query_start, a.wait_event, p.bytes_processed) AS doing
    FROM pg_stat_activity a
    LEFT JOIN pg_stat_progress_copy p ON p.pid = a.pid
    WHERE a.datname = current_database() AND a.usename = current_user AND a.application_name ~ '^ringoff([ /]|$)'
      AND a.state = 'active' AND a.wait_event_type = 'Client'
) w
LEFT JOIN unnest($1::int[], $2::text[]) AS d (pid, doing) ON d.pid = w.pid AND d.doing = w.doing

-- name: learn_partitions
-- A session reads what each partition is made of when it plans with it for the first time, which takes longer than a place in the pace
-- is kept: better when it begins than between a claim and its request. Nothing is run.
DO $learn$
DECLARE
    of_table text;
    line text;
BEGIN
    FOREACH of_table IN ARRAY '{call,dial_attempt,contact,outbox_event,webhook_delivery}'::text[] LOOP
        IF to_regclass(of_table) IS NOT NULL THEN
            EXECUTE format('EXPLAIN SELECT FROM %I', of_table) INTO line;
        END IF;
    END LOOP;
END
$learn$
