-- Embeddings need pgvector; nothing else does. Where it is missing, or only an administrator may create it, the index goes on
-- without: searching by meaning then says so.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
        CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;
    ELSE
        RAISE NOTICE 'pgvector is not installed on this server: the index has no embeddings';
    END IF;
EXCEPTION WHEN insufficient_privilege OR invalid_schema_name THEN
    RAISE NOTICE 'pgvector could not be created: ask an administrator for CREATE EXTENSION vector';
END
$$;
