"""The checks of each request, and the headers of each answer."""

import json
import re
import time

from tornado import web

# Names of this machine only. Another name that resolves to 127.0.0.1 (DNS rebinding) is in the Host header.
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ]
)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guarded(web.RequestHandler):
    """A request with one of this machine's names as its Host."""

    def initialize(self, page):
        """Takes what the handlers share."""
        self.page = page

    def set_default_headers(self):
        """Sets headers that isolate the page and forbid caching."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self):
        """Refuses requests that another page may have sent."""
        self.page.last_request = time.monotonic()
        host = self.request.headers.get("Host", "")
        if not HOST.fullmatch(host):
            raise web.HTTPError(403, reason="The page has a different address")
        if self.request.method not in ("GET", "HEAD"):
            content_type = self.request.headers.get("Content-Type", "")
            if content_type.split(";")[0].strip() != "application/json":
                # Another page's form can't send this type.
                raise web.HTTPError(415)
            if self.request.headers.get("Origin") != f"http://{host}":
                raise web.HTTPError(403, reason="The request comes from another page")

    def compute_etag(self):
        """No ETag, as nothing is cached."""

    def write_error(self, status_code, **_):
        """Writes an error in the page's format."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"message": self._reason}))


class Known(Guarded):
    """A request of the session's browser."""

    def prepare(self):
        """Checks the cookie too."""
        super().prepare()
        if not self.page.session.knows(self.get_cookie(self.page.cookie)):
            raise web.HTTPError(403, reason="The session is over")
