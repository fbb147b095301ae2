# Each service account reads what is its own. ACCESSOR is the Kubernetes login mount's, as `vault auth list` shows it.
# In vault.toml: kv = "secret/users/{metadata.service_account_namespace}/{metadata.service_account_name}"

path "secret/data/users/{{identity.entity.aliases.ACCESSOR.metadata.service_account_namespace}}/{{identity.entity.aliases.ACCESSOR.metadata.service_account_name}}" {
  capabilities = ["read"]
}
