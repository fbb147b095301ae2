# Each service account reads its own secrets. `vault auth list` shows the ACCESSOR of the Kubernetes login mount.
# In vault.toml: kv = "secret/users/{metadata.service_account_namespace}/{metadata.service_account_name}"

path "secret/data/users/{{identity.entity.aliases.ACCESSOR.metadata.service_account_namespace}}/{{identity.entity.aliases.ACCESSOR.metadata.service_account_name}}" {
  capabilities = ["read"]
}
