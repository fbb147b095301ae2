"""Waiting in the tests' Python: for conditions with a time limit, and fixed pauses, each with its reason."""

import time

LIMIT = 60


def eventually(what, condition, limit=LIMIT):
    """Waits until `condition` holds."""
    if not within(limit, condition):
        raise TimeoutError(f"it did not come to pass: {what}")


def within(limit, condition, look=0.1):
    """Whether `condition` holds within that time; it is looked at again after `look` seconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(look)
    return True


def pause(seconds, _why):
    """A fixed pause; `_why` says why there is no event to wait for."""
    time.sleep(seconds)
