-- What Vault runs to make a user for one kernel: the `creation_statements` of a role.
-- Vault splits the text at each semicolon, so a comment must have none.
-- Once before, the administrator whom Vault's connection uses runs CREATE ROLE notebooks NOLOGIN, and grants that role
-- what notebooks may read and make. A kernel's user is a member of it.
CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE notebooks;
