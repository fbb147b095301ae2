"""Replaces JupySQL's database sessions that the server has closed.

JupySQL keeps one session for each connection, for hours. A database user that Vault made for the kernel is replaced
before it expires. Vault then removes the old user and PostgreSQL closes its sessions, so the next cell would fail, although
the service file already names the new user. So before a cell runs, a session that the server has closed is dropped, and
JupySQL opens a new one with the same isolation level. SQLAlchemy alone would lose that level, and with it autocommit.
"""

import select
import sys

IDLE = 0
"""libpq's PQTRANS_IDLE: no transaction is open that could be lost."""


def renew(_info=None):
    """Replace each idle session that the server has closed."""
    manager = getattr(sys.modules.get("sql.connection"), "ConnectionManager", None)
    for connection in list(getattr(manager, "connections", {}).values()):
        try:
            replace(connection._connection)
        except Exception:
            # A driver other than libpq's, another JupySQL, or no server: the cell itself shows the error.
            continue


def replace(connection):
    """Replace the session of an SQLAlchemy connection if it is idle and its server has closed it."""
    session = connection.connection.driver_connection
    if session.info.transaction_status != IDLE or not is_closed(session.fileno()):
        return
    connection.invalidate()
    connection.rollback()
    level = connection.get_execution_options().get("isolation_level")
    if level is not None:
        connection.execution_options(isolation_level=level)


def is_closed(descriptor):
    """Whether the peer has closed a socket; nothing is read from it."""
    poll = select.poll()
    poll.register(descriptor, getattr(select, "POLLRDHUP", 0))
    return bool(poll.poll(0))
