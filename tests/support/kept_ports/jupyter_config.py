"""Read by every Jupyter of the tests: ports that are chosen for a kernel are kept for it.

Jupyter closes a port as soon as it has found that it is free, and tells the kernel, which binds it seconds
later; another test's kernel may be told the same one meanwhile. A socket that is bound and does not listen
keeps the system from choosing its port again, and both it and the kernel's have SO_REUSEADDR, so the kernel
may bind it.
"""

import socket

from jupyter_client.connect import LocalPortCache

kept = {}


def find_available_port(self, ip):
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind((ip, 0))
    port = keeper.getsockname()[1]
    kept[port] = keeper
    return port


def return_port(self, port):
    if port in kept:
        kept.pop(port).close()


LocalPortCache.find_available_port = find_available_port
LocalPortCache.return_port = return_port
