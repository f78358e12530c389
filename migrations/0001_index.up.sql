-- The index: what can be asked quickly of what the bucket holds. All of it is derived from the bucket, apart from webhooks.
-- Digests and keys are lowercase hex SHA-256. Times are what the store's clock or the objects say, never when a row was written:
-- so a rebuilt index equals the one that it replaces.

CREATE TABLE videos (
    owner text NOT NULL CHECK (owner <> ''),
    video_id text NOT NULL CHECK (video_id ~ '^[0-9a-f]{64}$'),
    kind text NOT NULL CHECK (kind IN ('stored', 'reference')),
    uri text,
    size_bytes bigint CHECK (size_bytes >= 0),
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (owner, video_id)
);
CREATE INDEX videos_by_time ON videos (owner, seen_at DESC, video_id DESC);
COMMENT ON COLUMN videos.uri IS 'where the bytes lie if they are the user''s own; null for those in the store';

CREATE TABLE video_aliases (
    owner text NOT NULL CHECK (owner <> ''),
    source_hash text NOT NULL CHECK (source_hash ~ '^[0-9a-f]{64}$'),
    video_id text NOT NULL CHECK (video_id ~ '^[0-9a-f]{64}$'),
    uri text,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (owner, source_hash, video_id)
);
CREATE INDEX video_aliases_by_time ON video_aliases (owner, source_hash, seen_at DESC);
CREATE INDEX video_aliases_by_video ON video_aliases (owner, video_id);

CREATE TABLE runs (
    owner text NOT NULL CHECK (owner <> ''),
    run_id text NOT NULL CHECK (run_id <> ''),
    video_id text CHECK (video_id ~ '^[0-9a-f]{64}$'),
    source text NOT NULL,
    source_hash text NOT NULL CHECK (source_hash ~ '^[0-9a-f]{64}$'),
    source_name text NOT NULL,
    captions_file jsonb,
    config_hash text NOT NULL CHECK (config_hash ~ '^[0-9a-f]{64}$'),
    profile_name text NOT NULL,
    sampling_policy_version text NOT NULL,
    dataprocessor_version text NOT NULL,
    platform_id text NOT NULL,
    catalogue text NOT NULL,
    required text[] NOT NULL,
    refresh boolean NOT NULL,
    priority integer NOT NULL,
    meta jsonb NOT NULL,
    status text NOT NULL CHECK (
        status IN ('admission_pending', 'queued', 'running', 'complete', 'partial', 'failed', 'cancelled')
    ),
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    manifest text CHECK (manifest ~ '^[0-9a-f]{64}$'),
    epoch integer NOT NULL CHECK (epoch >= 1),
    closed boolean NOT NULL,
    objects integer NOT NULL CHECK (objects >= 0),
    projection smallint NOT NULL,
    PRIMARY KEY (owner, run_id),
    CHECK (closed = (manifest IS NOT NULL)),
    CHECK (closed = (finished_at IS NOT NULL))
);
CREATE INDEX runs_by_time ON runs (owner, created_at DESC, run_id DESC);
CREATE INDEX runs_by_status ON runs (owner, status, created_at DESC, run_id DESC);
CREATE INDEX runs_by_video ON runs (owner, video_id, created_at DESC, run_id DESC);
CREATE INDEX runs_by_question ON runs (owner, source_hash, config_hash, finished_at DESC) WHERE closed;
CREATE INDEX runs_by_profile ON runs (owner, config_hash, created_at DESC, run_id DESC);
COMMENT ON COLUMN runs.objects IS 'how many objects of the run were seen; with epoch and closed it tells a later row from an earlier one';
COMMENT ON COLUMN runs.projection IS 'version of the code that derived the row';

CREATE TABLE run_components (
    owner text NOT NULL,
    run_id text NOT NULL,
    component text NOT NULL,
    position integer NOT NULL,
    stage text NOT NULL,
    version integer NOT NULL,
    state text NOT NULL CHECK (
        state IN ('waiting', 'running', 'succeeded', 'partial', 'failed', 'blocked', 'absent')
    ),
    reason text NOT NULL,
    error_code text,
    error_message text,
    tasks integer NOT NULL,
    computed integer NOT NULL,
    cached integer NOT NULL,
    seconds double precision NOT NULL,
    gaps jsonb NOT NULL,
    warnings jsonb NOT NULL,
    models jsonb NOT NULL,
    device text NOT NULL,
    PRIMARY KEY (owner, run_id, component),
    FOREIGN KEY (owner, run_id) REFERENCES runs ON DELETE CASCADE
);

CREATE TABLE artifacts (
    owner text NOT NULL,
    run_id text NOT NULL,
    task text NOT NULL,
    name text NOT NULL,
    component text NOT NULL,
    video_id text CHECK (video_id ~ '^[0-9a-f]{64}$'),
    key text NOT NULL CHECK (key ~ '^[0-9a-f]{64}$'),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    cached boolean NOT NULL,
    absent text,
    PRIMARY KEY (owner, run_id, task, name),
    FOREIGN KEY (owner, run_id) REFERENCES runs ON DELETE CASCADE
);
CREATE INDEX artifacts_by_digest ON artifacts (owner, digest);
CREATE INDEX artifacts_by_video ON artifacts (owner, video_id, component, key);

CREATE TABLE analysis_profiles (
    owner text NOT NULL CHECK (owner <> ''),
    config_hash text NOT NULL CHECK (config_hash ~ '^[0-9a-f]{64}$'),
    name text NOT NULL,
    sampling_policy_version text NOT NULL,
    dataprocessor_version text NOT NULL,
    PRIMARY KEY (owner, config_hash)
);
COMMENT ON COLUMN analysis_profiles.name IS 'as the newest run with this profile calls it';

CREATE TABLE profile_components (
    owner text NOT NULL,
    config_hash text NOT NULL,
    component text NOT NULL,
    params jsonb NOT NULL,
    frames jsonb,
    PRIMARY KEY (owner, config_hash, component),
    FOREIGN KEY (owner, config_hash) REFERENCES analysis_profiles ON DELETE CASCADE
);

CREATE TABLE profile_model_mapping (
    owner text NOT NULL,
    config_hash text NOT NULL,
    component text NOT NULL,
    model text NOT NULL,
    signature text NOT NULL,
    version integer,
    engine text,
    precision text,
    licence text,
    PRIMARY KEY (owner, config_hash, component, model),
    FOREIGN KEY (owner, config_hash) REFERENCES analysis_profiles ON DELETE CASCADE
);
CREATE INDEX profile_model_mapping_by_model ON profile_model_mapping (model, signature);

CREATE TABLE component_resource_requirements (
    component text PRIMARY KEY,
    version integer NOT NULL,
    stage text NOT NULL,
    cpu double precision NOT NULL CHECK (cpu > 0),
    memory_mb integer NOT NULL CHECK (memory_mb >= 0),
    gpu_memory_mb integer NOT NULL CHECK (gpu_memory_mb >= 0),
    seconds_per_minute double precision NOT NULL,
    model_seconds_per_minute jsonb NOT NULL,
    timeout_s integer NOT NULL CHECK (timeout_s > 0)
);

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
