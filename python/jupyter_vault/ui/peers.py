"""Finds the user of the process at the other end of a connection.

The token of the page is known to its user alone; but a cookie goes to each port of a host, so that another user's
server on this machine could be sent it. Linux says whose each socket is: the peer's end stands in /proc/net/tcp.
"""

import os
import socket
import struct

TABLE = "/proc/net/tcp"
ROOT = 0


def _row(address, port):
    """An address in the table's format."""
    (number,) = struct.unpack("=I", socket.inet_aton(address))
    return f"{number:08X}:{port:04X}"


def _owner(local, remote):
    """The user of the socket between two addresses; None if there is none, or the table can't be read."""
    try:
        with open(TABLE) as table:
            rows = [line.split() for line in table]
    except OSError:
        return None
    for row in rows[1:]:
        # A socket that its process has closed has no inode, and no longer belongs to a user.
        if row[1] == local and row[2] == remote and row[9] != "0":
            return int(row[7])
    return None


def is_told(own):
    """Whether the system shows the users of sockets: it must show that of `own`, the listener."""
    return _owner(_row(*own), _row("0.0.0.0", 0)) == os.getuid()


def may_connect(peer, own):
    """Whether the process at the other end belongs to this user or root, which can't be kept out anyway."""
    return _owner(_row(*peer), _row(*own)) in (os.getuid(), ROOT)


def may_use_socket(connection):
    """The same for a connection of a unix socket."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return uid in (os.getuid(), ROOT)
