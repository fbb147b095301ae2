# JupyterHub's own policy: it may create tokens of one role, each for one user, and reads no secret.
#
# The role ties a token to its user's identity, and to the users' policy only. ACCESSOR in that policy (user.hcl) is then
# that of the mount `token/`:
#   vault write auth/token/roles/jupyterhub allowed_policies=jupyter-user disallowed_policies=root \
#     allowed_entity_aliases='*' orphan=true renewable=false token_explicit_max_ttl=12h
# The tokens also keep the policy `default`: {metadata.username} needs its lookup-self.

path "auth/token/create/jupyterhub" {
  capabilities = ["update"]
}

# To revoke a user's token when their server stops.
path "auth/token/revoke-accessor" {
  capabilities = ["update"]
}
