"""The actions of a page: JupyterLab's section, or the separate page.

An action takes its content from a request's body and runs the program once. Its answer never contains a value.
"""

from tornado import web

from .program import Refused


class Actions:
    """The actions, for the kernels of `kernels`."""

    def __init__(self, program, kernels):
        self.program, self.kernels = program, kernels

    async def carry_out(self, action, fields):
        """Executes the action with that name."""
        return await getattr(self, f"action_{action}")(fields)

    async def action_set(self, fields):
        """Adds a secret, or replaces its value."""
        options = _description(fields)
        expected = fields.number("expect_version")
        if expected is not None:
            options.append(f"--expect-version={expected}")
        # `--file=-` reads the value unchanged, with its final line end.
        return await self.program.secrets(
            "set", "--file=-", *options, "--", fields.text("name"), to=fields.optional("to"), value=_bytes(fields, "value")
        )

    async def action_remove(self, fields):
        """Removes a secret."""
        return await self.program.secrets("rm", "--", fields.text("name"), to=fields.optional("to"))

    async def action_restore(self, fields):
        """Restores a removed secret, or an earlier value."""
        version = fields.number("version")
        options = [] if version is None else [f"--version={version}"]
        return await self.program.secrets("restore", *options, "--", fields.text("name"), to=fields.optional("to"))

    async def action_describe(self, fields):
        """Describes a secret."""
        return await self.program.secrets(
            "describe", *_description(fields), "--", fields.text("name"), to=fields.optional("to")
        )

    async def action_rename(self, fields):
        """Renames a secret."""
        return await self.program.secrets(
            "rename", "--", fields.text("name"), fields.text("new_name"), to=fields.optional("to")
        )

    async def action_versions(self, fields):
        """Lists the versions of a secret, by number and time."""
        return await self.program.secrets("versions", "--", fields.text("name"), to=fields.optional("to"))

    async def action_import(self, fields):
        """Imports a file, or lists the changes that it would make."""
        kind = fields.optional("format") or "env"
        if kind not in ("env", "json", "yaml"):
            raise web.HTTPError(400, reason="The format is not env, json or yaml")
        options = [f"--format={kind}"] + (["--dry-run"] if fields.flag("dry_run") else [])
        return await self.program.secrets(
            "import", *options, "--", "-", to=fields.optional("to"), value=_bytes(fields, "content")
        )

    async def action_login(self, fields):
        """Logs in to Vault; the answer says who, and does not contain the token."""
        method = fields.text("method")
        if method not in ("userpass", "ldap", "token"):
            raise web.HTTPError(400, reason="The method is not userpass, ldap or token")
        username = None if method == "token" else fields.text("username")
        return await self.program.login(method, username, fields.flag("try_again"), _bytes(fields, "password"))

    async def action_switch(self, fields):
        """Withholds a secret from one notebook's kernels, or gives it again."""
        notebook = self.kernels.notebook(fields.text("path"))
        return await self.program.switch(fields.text("name"), notebook, fields.flag("on"))

    async def action_source_test(self, fields):
        """Connects to a data source as a kernel would."""
        return {"said": await self.program.source("test", fields.text("name"), fields.optional("to"))}

    async def action_source_remove(self, fields):
        """Removes a data source."""
        return {"said": await self.program.source("rm", fields.text("name"), fields.optional("to"))}

    async def action_apply(self, fields):
        """Gives a running kernel the secrets that it lacks."""
        kernel = fields.text("kernel")
        named = await self.kernels.named(kernel)
        if not named:
            raise web.HTTPError(404, reason="The kernel does not run")
        return {"kernel": kernel, "said": await self.program.inject(named)}


async def outcome(pending):
    """The status and the JSON of the program's answer or refusal."""
    try:
        return 200, await pending
    except Refused as refused:
        return refused.status, {"code": refused.code, "message": refused.what, "advice": refused.advice}


def _description(fields):
    options = []
    for name in ("description", "kind"):
        text = fields.optional(name)
        if text is not None:
            options.append(f"--{name}={text}")
    return options


def _bytes(fields, name):
    return fields.text(name).encode()


ACTIONS = "|".join(name[len("action_") :] for name in dir(Actions) if name.startswith("action_"))
