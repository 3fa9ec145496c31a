-- What the dial path learns of its trunks: congestion, silence, and what their drivers report.

-- name: slow_trunk
-- Multiplicative decrease of what the pace is now; see domain/pacing for how it climbs back. One burst counts once.
UPDATE trunk
SET reduced_cps = greatest(
        cps_max * $5::float8,
        $3::float8 * least(
            cps_max,
            coalesce(reduced_cps + cps_max * extract(epoch FROM clock_timestamp() - reduced_at)::float8 / $4::float8, cps_max)
        )
    ),
    reduced_at = clock_timestamp()
WHERE workspace_id = $1 AND trunk_id = $2
  AND (reduced_at IS NULL OR reduced_at < clock_timestamp() - make_interval(secs => $6))

-- name: stop_trunk
UPDATE trunk SET is_enabled = false, alarm = $3, alarm_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE workspace_id = $1 AND trunk_id = $2 AND is_enabled

-- name: trip_breaker
-- Each time that a single call finds the trunk silent again, the wait doubles.
UPDATE trunk
SET silent_count = silent_count + 1,
    silent_until = clock_timestamp() + make_interval(secs => least($3::float8 * power(2, silent_count), $4::float8)),
    alarm = 'answers nothing',
    alarm_at = clock_timestamp()
WHERE workspace_id = $1 AND trunk_id = $2 AND (silent_until IS NULL OR silent_until <= clock_timestamp())

-- name: close_breaker
UPDATE trunk SET silent_count = 0, silent_until = NULL, alarm = NULL, alarm_at = NULL
WHERE workspace_id = $1 AND trunk_id = $2 AND silent_count > 0

-- name: enabled_trunks
SELECT workspace_id, trunk_id, driver, config FROM trunk WHERE is_enabled ORDER BY workspace_id, trunk_id

-- name: record_trunk_report
UPDATE trunk
SET is_up = $3,
    alarm = CASE WHEN $3 THEN CASE WHEN silent_count > 0 THEN alarm END ELSE $4 END,
    alarm_at = CASE WHEN $3 AND silent_count = 0 THEN NULL ELSE clock_timestamp() END
WHERE workspace_id = $1 AND trunk_id = $2 AND is_enabled
