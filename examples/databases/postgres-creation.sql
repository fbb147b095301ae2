-- What Vault runs to make a user for one kernel: the `creation_statements` of a role.
-- Vault splits the text at each semicolon, so a comment must have none.
-- Once before, an administrator runs CREATE ROLE notebooks NOLOGIN, grants that role what notebooks may read and make,
-- and GRANT notebooks TO the user of Vault's connection WITH ADMIN OPTION, who needs CREATEROLE and no more.
-- A kernel's user is a member of notebooks.
CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE notebooks;
