-- What partitions need to know of time, and a check that 0003 left unproved. Nothing here changes what older processes do.

-- A period is a month of UTC: the width of a partition. docs/decisions/0040 has the figures.
CREATE OR REPLACE FUNCTION period_floor(at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN date_trunc('month', at, 'UTC');

CREATE OR REPLACE FUNCTION next_period(at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN date_trunc('month', date_trunc('month', at, 'UTC') + interval '40 days', 'UTC');

-- The smallest id of a day among ids that come from a sequence which is set forward once a day: 2^32 ids a day, and below 2^53, so
-- that every JSON reader can hold them. A range of time over contacts and events.
CREATE OR REPLACE FUNCTION ordered_id_floor(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(extract(epoch FROM at) / 86400)::bigint << 32;

-- step
-- Reads the attempts beside whoever dials. A partition may not hold a check that its parent has proved and it has not.
ALTER TABLE dial_attempt VALIDATE CONSTRAINT known_disposition;
