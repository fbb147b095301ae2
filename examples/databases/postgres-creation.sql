-- The `creation_statements` of a role: Vault runs them to create a user for one kernel.
-- Vault splits the text at each semicolon, so a comment must have none.
-- First, an administrator runs CREATE ROLE notebooks NOLOGIN, grants that role the rights that notebooks need, and runs
-- GRANT notebooks TO the user of Vault's connection WITH ADMIN OPTION. That user only needs CREATEROLE.
-- A kernel's user is a member of notebooks.
CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE notebooks;
