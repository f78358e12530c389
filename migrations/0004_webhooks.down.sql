-- The webhooks and their secrets are forgotten: an earlier version knows none.
DROP TABLE webhooks;

-- Deliveries of answers to callback URLs. Not derivable from the bucket, so it refers to no table that is rebuilt.
CREATE TABLE webhooks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL CHECK (owner <> ''),
    run_id text NOT NULL CHECK (run_id <> ''),
    event text NOT NULL CHECK (event <> ''),
    url text NOT NULL,
    secret_ref text,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_at timestamptz NOT NULL DEFAULT now(),
    last_status integer,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz
);
CREATE UNIQUE INDEX webhooks_once ON webhooks (owner, run_id, event, md5(url));
CREATE INDEX webhooks_due ON webhooks (next_at) WHERE state = 'pending';
COMMENT ON COLUMN webhooks.secret_ref IS 'the name of the secret that signs it, never the secret itself';
