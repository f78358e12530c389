-- Who wants to be told of what: one row for each webhook of an owner. What was told to whom lies in the bucket, and what is still
-- owed in its outbox: the table of deliveries that was here before was never written by any version, and goes.
DROP TABLE webhooks;

CREATE TABLE webhooks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner text NOT NULL CHECK (owner <> ''),
    url text NOT NULL CHECK (url ~ '^https://' AND length(url) <= 2000),
    events text[] NOT NULL CHECK (cardinality(events) > 0),
    secret text NOT NULL CHECK (secret ~ '^whsec_'),
    previous_secret text CHECK (previous_secret ~ '^whsec_'),
    previous_until timestamptz,
    enabled boolean NOT NULL DEFAULT true,
    disabled_why text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);
CREATE UNIQUE INDEX webhooks_once ON webhooks (owner, md5(url));
COMMENT ON TABLE webhooks IS 'Not derivable from the bucket, so it refers to no table that is rebuilt.';
COMMENT ON COLUMN webhooks.id IS 'never used again, also by a database that is made anew: what is owed names it';
COMMENT ON COLUMN webhooks.secret IS 'signs what is sent; shown once, when it is made';
COMMENT ON COLUMN webhooks.previous_secret IS 'signs beside the new one until previous_until, so that a receiver has time to change';
