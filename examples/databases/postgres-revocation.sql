-- The `revocation_statements` of the role: Vault runs them when the kernel has exited.
-- PostgreSQL does not drop a role that owns objects, so the objects of the kernel's user are reassigned to `notebooks`.
-- Sessions are ended first, as an open one holds locks and would continue without its role. REASSIGN and DROP OWNED only
-- work in the database of Vault's connection: a user who creates objects in several databases needs a role in each.
ALTER ROLE "{{name}}" NOLOGIN;
GRANT "{{name}}" TO CURRENT_USER;
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{{name}}';
REASSIGN OWNED BY "{{name}}" TO notebooks;
DROP OWNED BY "{{name}}";
DROP ROLE IF EXISTS "{{name}}";
