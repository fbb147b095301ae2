-- What Vault runs when the kernel has ended: the `revocation_statements` of the role.
-- PostgreSQL drops no role that owns something: what the kernel's user made becomes that of `notebooks`, and stays.
-- Sessions are ended and waited for first, as an open one holds locks and would go on without its role. REASSIGN and
-- DROP OWNED know the database of Vault's connection alone: a user who makes objects in several needs a role in each.
ALTER ROLE "{{name}}" NOLOGIN;
GRANT "{{name}}" TO CURRENT_USER;
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{{name}}';
REASSIGN OWNED BY "{{name}}" TO notebooks;
DROP OWNED BY "{{name}}";
DROP ROLE IF EXISTS "{{name}}";
