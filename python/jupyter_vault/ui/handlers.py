"""The page's requests: its files, a session, the lists, and the section's actions."""

import asyncio
import json
import os

from tornado import web

from ..section.actions import ACTIONS, Actions, outcome
from ..section.request import Fields
from .guard import Guarded, Known

FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
}


class FileHandler(Guarded):
    """One of the page's files. They contain no secret, so a browser may load them without a session."""

    def get(self, name):
        """Sends the file."""
        name, content_type = FILES[name]
        with open(os.path.join(self.page.folder, name), "rb") as file:
            content = file.read()
        self.set_header("Content-Type", content_type)
        self.finish(content)


class SessionHandler(Guarded):
    """`POST api/session`: exchanges the one-time token for a cookie."""

    def post(self):
        """Sets the cookie."""
        cookie = self.page.session.exchange(Fields(self.request.body).text("token"))
        if cookie is None:
            raise web.HTTPError(403, reason="The token was already used, or belongs to another page")
        self.set_cookie(self.page.cookie, cookie, httponly=True, samesite="Strict", path="/")
        self.page.was_opened()
        self.finish({})


class AnswerHandler(Known):
    """An answer of the program."""

    async def answer(self, pending):
        """Finishes with the program's answer, or its refusal."""
        status, content = await outcome(pending)
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(content))


class ListHandler(AnswerHandler):
    """`GET api/secrets`: names, versions, times and descriptions, and the running kernels."""

    async def get(self):
        """Lists the secrets."""
        await self.answer(self.listed())

    async def listed(self):
        """The list; notebook paths are absolute here."""
        listing, running = await asyncio.gather(self.page.program.listed(), self.page.kernels.running())
        return {**listing, "root": "", "running": running}


class LoginStatusHandler(AnswerHandler):
    """`GET api/login_status`: who is logged in to Vault, and until when."""

    async def get(self):
        """Returns who is logged in."""
        await self.answer(self.page.program.login_status())


class SourcesHandler(AnswerHandler):
    """`GET api/sources`: data sources, and which kernels have them."""

    async def get(self):
        """Lists the data sources."""
        await self.answer(self.page.program.sources())


class ActionHandler(AnswerHandler):
    """`POST api/ACTION`: a change, or a request for versions."""

    async def post(self, action):
        """Executes the action."""
        fields = Fields(self.request.body)
        await self.answer(Actions(self.page.program, self.page.kernels).carry_out(action, fields))


class NothingHandler(Guarded):
    """Anything else."""

    def prepare(self):
        """Answers with 404."""
        super().prepare()
        raise web.HTTPError(404)


def handlers(page):
    """The handlers of a page, for an application."""
    files = "|".join(name.replace(".", r"\.") for name in FILES)
    rules = [
        (f"/({files})", FileHandler),
        ("/api/session", SessionHandler),
        ("/api/secrets", ListHandler),
        ("/api/login_status", LoginStatusHandler),
        ("/api/sources", SourcesHandler),
        (f"/api/({ACTIONS})", ActionHandler),
        (".*", NothingHandler),
    ]
    return [(path, handler, {"page": page}) for path, handler in rules]
