-- Before PostgreSQL 18 ids of one millisecond came in any order, so the calls of a list stood in another order than its rows.
-- The twelve bits after the version are its fraction now (RFC 9562, 6.2, method 3), as in uuidv7().
DO $migration$
BEGIN
    IF current_setting('server_version_num')::int < 180000 THEN
        EXECUTE $function$
            CREATE OR REPLACE FUNCTION ordered_uuid() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $body$
                SELECT (
                    -- 48 bits of milliseconds and 12 of their fraction are one number; the version goes between them.
                    overlay(
                        lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 4096000)::bigint), 15, '0')
                        PLACING '7' FROM 13 FOR 0
                    )
                    || substr(gen_random_uuid()::text, 20)
                )::uuid
            $body$
        $function$;
    END IF;
END
$migration$;
