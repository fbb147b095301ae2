"""What each request has to show before anything is done, and what each answer carries."""

import json
import re
import time

from tornado import web

# Names that lead to this machine alone. A page of another name that resolves to 127.0.0.1 sends that name.
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
    """A request that came under one of this machine's names."""

    def initialize(self, page):
        """Takes what the handlers share."""
        self.page = page

    def set_default_headers(self):
        """Keeps the page to itself, and out of each cache."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self):
        """Refuses what another page may have sent."""
        self.page.asked = time.monotonic()
        host = self.request.headers.get("Host", "")
        if not HOST.fullmatch(host):
            raise web.HTTPError(403, reason="The page has another address")
        if self.request.method not in ("GET", "HEAD"):
            content_type = self.request.headers.get("Content-Type", "")
            if content_type.split(";")[0].strip() != "application/json":
                # A form of another page can't send this type.
                raise web.HTTPError(415)
            if self.request.headers.get("Origin") != f"http://{host}":
                raise web.HTTPError(403, reason="The request comes from another page")

    def compute_etag(self):
        """None: nothing is kept, so nothing is compared."""

    def write_error(self, status_code, **_):
        """Says a refusal as the page understands it."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"message": self._reason}))


class Known(Guarded):
    """A request of the session's own browser."""

    def prepare(self):
        """Asks for the cookie too."""
        super().prepare()
        if not self.page.session.knows(self.get_cookie(self.page.cookie)):
            raise web.HTTPError(403, reason="The session is over")
