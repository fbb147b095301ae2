"""A request's body: limited before it is read, and never logged.

`get_json_body` of jupyter_server writes what it can't parse into the log, and a body may hold a secret; so it is
not used here.
"""

import json

from tornado.web import HTTPError

# An imported file may have 2 MiB, and JSON may escape each byte of it.
LARGEST = 6 << 20


class Fields:
    """The members of a JSON object; each is checked when it is read."""

    def __init__(self, body):
        try:
            members = json.loads(body)
        except ValueError:
            # The cause contains the text that could not be parsed.
            raise HTTPError(400, reason="The body is not JSON") from None
        except RecursionError:
            raise HTTPError(400, reason="The body is nested too deeply") from None
        if not isinstance(members, dict):
            raise HTTPError(400, reason="The body is not a JSON object")
        self._members = members

    def text(self, name):
        """A required string, which must not be empty."""
        text = self.optional(name)
        if not text:
            raise HTTPError(400, reason=f"The body has no text {name}")
        return text

    def optional(self, name):
        """A string, or None."""
        text = self._members.get(name)
        if text is not None and (not isinstance(text, str) or "\0" in text):
            raise HTTPError(400, reason=f"The member {name} is not text")
        if text is not None and any("\ud800" <= letter <= "\udfff" for letter in text):
            # A lone surrogate, which JSON can contain, but an argument can't.
            raise HTTPError(400, reason=f"The member {name} is not UTF-8")
        return text

    def flag(self, name):
        """Whether a member is true."""
        return self._members.get(name) is True

    def number(self, name):
        """A whole number, or None."""
        number = self._members.get(name)
        is_number = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << 63
        if number is not None and not is_number:
            raise HTTPError(400, reason=f"The member {name} is not a number")
        return number
