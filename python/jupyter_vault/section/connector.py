"""Stores other extensions' secrets for jupyter-secrets-manager: off unless `VaultSection.connector` names a path.

These values go back to the browser, which the section's own never do: that package fills fields of the page with
them. So they lie in one KV secret of their own, which kernels are not given, and each request needs the right to
`jupyter-vault`, as all others. A key there is `manager:` and the id; its value is JSON with the namespace, the id and
the value, because an id may hold anything.
"""

import json
import shutil
from urllib.parse import quote

from jupyter_server.auth.decorator import authorized
from tornado import web

from .handlers import ActionHandler
from .program import Refused
from .request import Fields

PREFIX = "manager:"
# The program's exit code for a path without a secret: nothing was saved yet.
NOTHING_THERE = 66


class Connector:
    """The secrets at that path."""

    def __init__(self, program, place):
        self._program = program.of_sources(place)

    async def save(self, secret_id, secret):
        """Adds or replaces a secret."""
        value = json.dumps(secret).encode()
        return await self._program.secrets("set", "--file=-", "--", _key(secret_id), value=value)

    async def remove(self, secret_id):
        """Removes a secret."""
        return await self._program.secrets("rm", "--", _key(secret_id))

    async def fetch(self, secret_id):
        """A secret with its value, or None."""
        return {"secret": (await self._all()).get(_key(secret_id))}

    async def list(self, namespace):
        """The secrets of a namespace, with their values."""
        found = [secret for secret in (await self._all()).values() if secret["namespace"] == namespace]
        return {"secrets": found}

    async def _all(self):
        try:
            entries = await self._program.environment_of(shutil.which("env") or "/usr/bin/env")
        except Refused as refused:
            if refused.code == NOTHING_THERE:
                return {}
            raise
        return {key: json.loads(value) for key, value in entries.items() if key.startswith(PREFIX)}


def _key(secret_id):
    # A variable's name can't hold `=` or control characters.
    return PREFIX + quote(secret_id, safe=":/@ ")


class ConnectorHandler(ActionHandler):
    """`POST connector/ACTION`."""

    def initialize(self, connector):
        """Takes the path."""
        super().initialize(None)
        self.connector = connector

    @web.authenticated
    @authorized
    async def post(self, action):
        """Executes the action."""
        fields = Fields(self.body())
        if action == "save":
            parts = {name: fields.optional(name) or "" for name in ("namespace", "id", "value")}
            await self.answer(self.connector.save(fields.text("secret_id"), parts))
        elif action == "list":
            await self.answer(self.connector.list(fields.text("namespace")))
        else:
            await self.answer(getattr(self.connector, action)(fields.text("secret_id")))


ACTIONS = "save|remove|fetch|list"
