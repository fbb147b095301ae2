"""What the page can ask for. No answer ever holds a value.

jupyter_server checks who asks (its token, cookie, Host, Origin and XSRF cookie) and what they may do
(its authorizer, for the resource `jupyter-vault`). An order has its content in the body, so that no name or value
stands in a URL.
"""

import json
import os

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from .program import Refused
from .request import LARGEST, Fields

RESOURCE = "jupyter-vault"


class SectionHandler(APIHandler):
    """What the handlers have in common."""

    auth_resource = RESOURCE

    def initialize(self, program):
        """Takes the program that the handlers run."""
        self.program = program

    def set_default_headers(self):
        """Adds that no answer is kept anywhere."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    async def answer(self, asked):
        """Finishes with what the program says, or with what it refused."""
        try:
            said = await asked
        except Refused as refused:
            self.set_status(refused.status)
            said = {"code": refused.code, "message": refused.what, "advice": refused.advice}
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(said))


class ListHandler(SectionHandler):
    """`GET secrets`: names, versions, times and descriptions."""

    @web.authenticated
    @authorized
    async def get(self):
        """Lists the secrets."""
        await self.answer(self.listed())

    async def listed(self):
        """The list, with the folder that the paths of notebooks begin in."""
        said = await self.program.secrets("list")
        said["root"] = os.path.abspath(getattr(self.kernel_manager, "root_dir", "") or "/")
        return said


class LoginStatusHandler(SectionHandler):
    """`GET login_status`: who is logged in at Vault, and until when."""

    @web.authenticated
    @authorized
    async def get(self):
        """Says who is logged in."""
        await self.answer(self.program.login_status())


class SourcesHandler(SectionHandler):
    """`GET sources`: data sources, and which kernels have them."""

    @web.authenticated
    @authorized
    async def get(self):
        """Lists the data sources."""
        await self.answer(self.program.sources())


@web.stream_request_body
class OrderHandler(SectionHandler):
    """`POST ORDER`: one change, or a look at something's history."""

    async def prepare(self):
        """Refuses what is too large before it is read."""
        self.chunks = []
        self.request.connection.set_max_body_size(LARGEST)
        length = self.request.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > LARGEST:
            raise web.HTTPError(413)
        content_type = self.request.headers.get("Content-Type", "")
        if content_type.split(";")[0].strip() != "application/json":
            # A form of another page can't send this type.
            raise web.HTTPError(415)
        await super().prepare()

    def data_received(self, chunk):
        """Keeps a part of the body."""
        self.chunks.append(chunk)

    @web.authenticated
    @authorized
    async def post(self, order):
        """Does what the order says."""
        fields = Fields(b"".join(self.chunks))
        self.chunks = []
        await self.answer(getattr(self, f"order_{order}")(fields))

    async def order_set(self, fields):
        """Adds a secret, or replaces its value."""
        options = _said(fields)
        expected = fields.number("expect_version")
        if expected is not None:
            options.append(f"--expect-version={expected}")
        # `--file=-` takes the value as it is, with its last line end.
        return await self.program.secrets(
            "set", "--file=-", *options, "--", fields.text("name"), to=fields.optional("to"), value=_bytes(fields, "value")
        )

    async def order_remove(self, fields):
        """Removes a secret."""
        return await self.program.secrets("rm", "--", fields.text("name"), to=fields.optional("to"))

    async def order_restore(self, fields):
        """Restores a removed secret, or an earlier value."""
        version = fields.number("version")
        options = [] if version is None else [f"--version={version}"]
        return await self.program.secrets("restore", *options, "--", fields.text("name"), to=fields.optional("to"))

    async def order_describe(self, fields):
        """Changes what is said of a secret."""
        return await self.program.secrets(
            "describe", *_said(fields), "--", fields.text("name"), to=fields.optional("to")
        )

    async def order_rename(self, fields):
        """Gives a secret another name."""
        return await self.program.secrets(
            "rename", "--", fields.text("name"), fields.text("new_name"), to=fields.optional("to")
        )

    async def order_versions(self, fields):
        """Lists the versions of a secret, by number and time."""
        return await self.program.secrets("versions", "--", fields.text("name"), to=fields.optional("to"))

    async def order_import(self, fields):
        """Adds what a file holds, or says what that would change."""
        kind = fields.optional("format") or "env"
        if kind not in ("env", "json", "yaml"):
            raise web.HTTPError(400, reason="The format is not env, json or yaml")
        options = [f"--format={kind}"] + (["--dry-run"] if fields.flag("dry_run") else [])
        return await self.program.secrets(
            "import", *options, "--", "-", to=fields.optional("to"), value=_bytes(fields, "content")
        )

    async def order_login(self, fields):
        """Logs in at Vault; the answer says who, and never the token."""
        method = fields.text("method")
        if method not in ("userpass", "ldap", "token"):
            raise web.HTTPError(400, reason="The method is not userpass, ldap or token")
        username = None if method == "token" else fields.text("username")
        return await self.program.login(method, username, fields.flag("try_again"), _bytes(fields, "password"))

    async def order_switch(self, fields):
        """Leaves a secret out of one notebook's kernels, or gives it again."""
        path = fields.text("path")
        # As jupyter_server tells a kernel of that notebook: JPY_SESSION_NAME.
        notebook = os.path.join(self.kernel_manager.cwd_for_path(path), path.split("/")[-1])
        return await self.program.switch(fields.text("name"), notebook, fields.flag("on"))

    async def order_source_test(self, fields):
        """Connects to a data source as a kernel would."""
        return {"said": await self.program.source("test", fields.text("name"), fields.optional("to"))}

    async def order_source_remove(self, fields):
        """Removes a data source."""
        return {"said": await self.program.source("rm", fields.text("name"), fields.optional("to"))}

    async def order_apply(self, fields):
        """Gives a running kernel of this server what it lacks."""
        kernel = fields.text("kernel")
        manager = self.kernel_manager
        if kernel not in manager:
            raise web.HTTPError(404, reason="The kernel does not run")
        file = getattr(manager.get_kernel(kernel), "connection_file", "")
        # A kernel behind a gateway has no file here; the program finds it by its id.
        named = file if file and os.path.exists(file) else kernel
        return {"kernel": kernel, "said": await self.program.inject(named)}


def _said(fields):
    options = []
    for name in ("description", "kind"):
        text = fields.optional(name)
        if text is not None:
            options.append(f"--{name}={text}")
    return options


def _bytes(fields, name):
    try:
        return fields.text(name).encode()
    except UnicodeEncodeError:
        raise web.HTTPError(400, reason=f"The member {name} is not UTF-8") from None


ORDERS = "|".join(name[len("order_") :] for name in dir(OrderHandler) if name.startswith("order_"))


def handlers(base_url, program):
    """The handlers of the section, for `add_handlers`."""
    place = url_path_join(base_url, "jupyter-vault")
    return [
        (url_path_join(place, "secrets"), ListHandler, {"program": program}),
        (url_path_join(place, "login_status"), LoginStatusHandler, {"program": program}),
        (url_path_join(place, "sources"), SourcesHandler, {"program": program}),
        (url_path_join(place, f"({ORDERS})"), OrderHandler, {"program": program}),
    ]
