"""The page's session: a one-time token, exchanged for a cookie.

The token is shown on the terminal, after the `#` of the page's address, which browsers do not send. The page takes it from
there and sends it in a body. The address is of no use afterwards, because the token works only once.
"""

import hmac
import secrets


class Session:
    """One browser's session; each start of the program has one."""

    def __init__(self):
        self.token = secrets.token_urlsafe(32)
        self._cookie = secrets.token_urlsafe(32)
        self._is_spent = False

    def exchange(self, token):
        """The cookie for the token; None for a wrong or used one."""
        is_right = hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())
        if self._is_spent or not is_right:
            return None
        self._is_spent = True
        return self._cookie

    def knows(self, cookie):
        """Whether this is the session's cookie."""
        return self._is_spent and hmac.compare_digest((cookie or "").encode("utf-8", "replace"), self._cookie.encode())
