# Each user reads their own secrets, and not another user's.
#
# For logins with a name: userpass, LDAP, OIDC, JWT. `vault auth list` shows the ACCESSOR of the login mount:
#   vault auth list -format=json | jq -r '.["userpass/"].accessor'
#   sed 's/ACCESSOR/auth_userpass_1a2b3c/' user.hcl | vault policy write jupyter-user -
# In vault.toml: kv = "secret/users/{metadata.username}"

path "secret/data/users/{{identity.entity.aliases.ACCESSOR.name}}" {
  capabilities = ["read"]
}

path "secret/data/users/{{identity.entity.aliases.ACCESSOR.name}}/*" {
  capabilities = ["read"]
}

# A `kv_folder` needs to be listed.
path "secret/metadata/users/{{identity.entity.aliases.ACCESSOR.name}}/*" {
  capabilities = ["list"]
}
