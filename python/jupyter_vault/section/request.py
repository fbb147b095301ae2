"""A request's body: bounded before it is read, and in no log.

`get_json_body` of jupyter_server writes what it can't parse into the log, and a body may hold a secret; so it is
not used here.
"""

import json

from tornado.web import HTTPError

# An import's file may have 2 MiB, and JSON may escape each byte of it.
LARGEST = 6 << 20


class Fields:
    """The members of a JSON object, each checked as it is asked for."""

    def __init__(self, body):
        try:
            members = json.loads(body)
        except ValueError:
            # The cause holds the text that it could not parse.
            raise HTTPError(400, reason="The body is not JSON") from None
        except RecursionError:
            raise HTTPError(400, reason="The body is nested too deeply") from None
        if not isinstance(members, dict):
            raise HTTPError(400, reason="The body is not a JSON object")
        self._members = members

    def text(self, name):
        """A string that must be there, and is not empty."""
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
            # Half a character, which JSON may hold and no argument can.
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
