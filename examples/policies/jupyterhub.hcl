# What JupyterHub itself may do: make tokens of one role, each for one user. It reads no secret.
#
# The role ties a token to its user's identity, and to the users' policy alone. ACCESSOR in that policy (user.hcl) is
# then that of the mount `token/`:
#   vault write auth/token/roles/jupyterhub allowed_policies=jupyter-user disallowed_policies=root \
#     allowed_entity_aliases='*' orphan=true renewable=false token_explicit_max_ttl=12h
# `default` stays among their policies: {metadata.username} is asked for with its lookup-self.

path "auth/token/create/jupyterhub" {
  capabilities = ["update"]
}

# A user's token ends with their server.
path "auth/token/revoke-accessor" {
  capabilities = ["update"]
}
