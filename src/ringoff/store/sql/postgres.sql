-- The few statements of the connection plumbing itself.

-- name: settings
SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[]) ORDER BY name;
