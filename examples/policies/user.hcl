# Each user reads what is theirs, and nothing of another user's.
#
# For logins with a name: userpass, LDAP, OIDC, JWT. ACCESSOR is the login mount's, as `vault auth list` shows it:
#   vault auth list -format=json | jq -r '.["userpass/"].accessor'
#   sed 's/ACCESSOR/auth_userpass_1a2b3c/' user.hcl | vault policy write jupyter-user -
# In vault.toml: kv = "secret/users/{metadata.username}"

path "secret/data/users/{{identity.entity.aliases.ACCESSOR.name}}" {
  capabilities = ["read"]
}

path "secret/data/users/{{identity.entity.aliases.ACCESSOR.name}}/*" {
  capabilities = ["read"]
}

# A `kv_folder` is listed first.
path "secret/metadata/users/{{identity.entity.aliases.ACCESSOR.name}}/*" {
  capabilities = ["list"]
}
