"""The page's requests. No answer contains a value.

jupyter_server checks who asks (its token, cookie, Host, Origin and XSRF cookie) and what they may do
(its authorizer, for the resource `jupyter-vault`). An action has its content in the body, so that no name or value
is in a URL.
"""

import json
import os

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from .actions import ACTIONS, Actions, outcome
from .request import LARGEST, Fields

RESOURCE = "jupyter-vault"


class SectionHandler(APIHandler):
    """The base of the handlers."""

    auth_resource = RESOURCE

    def initialize(self, program):
        """Takes the program that the handlers run."""
        self.program = program

    def set_default_headers(self):
        """Forbids caching of the answer."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    def skip_check_origin(self):
        """Never skips the check: a request with an Origin must come from this server, even if it has a token."""
        return self.request.method == "OPTIONS"

    async def answer(self, pending):
        """Finishes with the program's answer, or its refusal."""
        status, content = await outcome(pending)
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(content))


class ListHandler(SectionHandler):
    """`GET secrets`: names, versions, times and descriptions."""

    @web.authenticated
    @authorized
    async def get(self):
        """Lists the secrets."""
        await self.answer(self.listed())

    async def listed(self):
        """The list, with the folder that notebook paths are relative to."""
        listing = await self.program.listed()
        listing["root"] = os.path.abspath(getattr(self.kernel_manager, "root_dir", "") or "/")
        return listing


class LoginStatusHandler(SectionHandler):
    """`GET login_status`: who is logged in to Vault, and until when."""

    @web.authenticated
    @authorized
    async def get(self):
        """Returns who is logged in."""
        await self.answer(self.program.login_status())


class SourcesHandler(SectionHandler):
    """`GET sources`: data sources, and which kernels have them."""

    @web.authenticated
    @authorized
    async def get(self):
        """Lists the data sources."""
        await self.answer(self.program.sources())


@web.stream_request_body
class ActionHandler(SectionHandler):
    """`POST ACTION`: a change, or a request for versions."""

    async def prepare(self):
        """Refuses a body that is too large, before it is read."""
        self.chunks = []
        self.request.connection.set_max_body_size(LARGEST)
        length = self.request.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > LARGEST:
            raise web.HTTPError(413)
        content_type = self.request.headers.get("Content-Type", "")
        if content_type.split(";")[0].strip() != "application/json":
            # Another page's form can't send this type.
            raise web.HTTPError(415)
        await super().prepare()

    def data_received(self, chunk):
        """Keeps a part of the body."""
        self.chunks.append(chunk)

    def body(self):
        """The whole body; it is not kept."""
        body = b"".join(self.chunks)
        self.chunks = []
        return body

    @web.authenticated
    @authorized
    async def post(self, action):
        """Executes the action."""
        fields = Fields(self.body())
        actions = Actions(self.program, ServersKernels(self.kernel_manager))
        await self.answer(actions.carry_out(action, fields))


class ServersKernels:
    """The kernels of this server."""

    def __init__(self, manager):
        self._manager = manager

    def notebook(self, path):
        """A notebook's path as in its kernel's JPY_SESSION_NAME."""
        return os.path.join(self._manager.cwd_for_path(path), path.split("/")[-1])

    async def named(self, kernel):
        """The program's argument that names a kernel; None if it does not run."""
        if kernel not in self._manager:
            return None
        file = getattr(self._manager.get_kernel(kernel), "connection_file", "")
        # A kernel behind a gateway has no file here; the program finds it by its id.
        return file if file and os.path.exists(file) else kernel


def handlers(base_url, program):
    """The handlers of the section, for `add_handlers`."""
    place = url_path_join(base_url, "jupyter-vault")
    return [
        (url_path_join(place, "secrets"), ListHandler, {"program": program}),
        (url_path_join(place, "login_status"), LoginStatusHandler, {"program": program}),
        (url_path_join(place, "sources"), SourcesHandler, {"program": program}),
        (url_path_join(place, f"({ACTIONS})"), ActionHandler, {"program": program}),
    ]
