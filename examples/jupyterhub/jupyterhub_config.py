"""Gives each user's server a Vault token for that user, which ends with the server.

The hub has a token with the policy `jupyterhub` (examples/policies/jupyterhub.hcl), in a file that is the hub's to read.
With it the hub makes tokens of the role `jupyterhub`, tied to the user's identity by an entity alias, so that one policy
with a place for the user's name (examples/policies/user.hcl) serves all. In the user's server the launcher takes the
token from VAULT_TOKEN, and no kernel gets it. Beside each wrapped kernel, or in /etc/jupyter: vault.toml of this folder.

If users' servers use a gateway, name the variable KERNEL_VAULT_TOKEN, which their servers pass on.
"""

import asyncio
import json
import os
import urllib.request

address = os.environ.get("VAULT_ADDR", "https://vault.example.org:8200")
token_file = os.environ.get("HUB_VAULT_TOKEN_FILE", "/etc/jupyterhub/vault-token")


def vault(path, body):
    """POSTs to Vault with the hub's own token; an error names the path, never a token."""
    with open(token_file) as file:
        headers = {"X-Vault-Token": file.read().strip(), "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/{path}", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")
    except OSError as cause:
        raise RuntimeError(f"Vault: {path}: {cause}") from None


async def give_token(spawner):
    name = spawner.user.name
    made = await asyncio.to_thread(
        vault, "auth/token/create/jupyterhub", {"entity_alias": name, "meta": {"username": name}}
    )
    spawner.environment["VAULT_TOKEN"] = made["auth"]["client_token"]
    spawner.vault_accessor = made["auth"]["accessor"]


async def take_token_back(spawner):
    spawner.environment.pop("VAULT_TOKEN", None)
    accessor = getattr(spawner, "vault_accessor", None)
    if accessor:
        await asyncio.to_thread(vault, "auth/token/revoke-accessor", {"accessor": accessor})


c = get_config()  # noqa: F821
c.Spawner.pre_spawn_hook = give_token
c.Spawner.post_stop_hook = take_token_back
