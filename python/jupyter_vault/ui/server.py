"""The listener and the browser. The server exits on Ctrl-C, on SIGTERM, or after a time without a request."""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
import webbrowser

from tornado import netutil, web
from tornado.httpserver import HTTPServer

from ..section.program import Program
from ..section.request import LARGEST
from . import peers
from .handlers import handlers
from .kernels import Kernels
from .session import Session

LOOPBACK = "127.0.0.1"
# A browser opens a few connections; more would be an error or an attack.
CONNECTIONS = 64
OPENING = """<!doctype html>
<meta charset="utf-8">
<title>Secrets</title>
<meta http-equiv="refresh" content="0; url={0}">
<p><a href="{0}">Open the Secrets page</a></p>
"""


class NotPossible(Exception):
    """Why the page can't be shown, and what to do."""


class Page:
    """The state that the handlers share."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.kernels = Kernels(program)
        self.session = Session()
        self.last_request = time.monotonic()
        # The name contains the port, as a browser shares cookies between ports.
        self.cookie = "jupyter-vault"
        self.was_opened = lambda: None


class Server(HTTPServer):
    """Accepts connections only from this user's processes."""

    def initialize(self, *arguments, own=None, **options):
        """Takes the listener's address; none for a unix socket."""
        super().initialize(*arguments, **options)
        self._own = own
        self._is_told = own is not None and peers.is_told(own)

    def handle_stream(self, stream, address):
        """Closes another user's connection before reading from it."""
        if not self._is_welcome(stream, address) or len(self._connections) >= CONNECTIONS:
            stream.close()
            return
        super().handle_stream(stream, address)

    def _is_welcome(self, stream, address):
        if self._own is None:
            return peers.may_use_socket(stream.socket)
        return not self._is_told or peers.may_connect(address[:2], self._own)


def at_port(port):
    """A listener on the loopback address; port 0 chooses a free one."""
    try:
        (listener,) = netutil.bind_sockets(port, LOOPBACK, family=socket.AF_INET)
    except OSError as cause:
        what = f"can't listen on port {port} of {LOOPBACK}: {os.strerror(cause.errno)}"
        raise NotPossible(what, "choose another with --port, or leave it out for a free one") from None
    return listener


def at_socket(path):
    """A listener on a socket that only this user can connect to."""
    advice = "choose a path in your own folder, such as $XDG_RUNTIME_DIR/secrets.sock"
    try:
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(path)
        raise NotPossible(f"another program listens at {path}", advice)
    except (FileNotFoundError, ConnectionRefusedError):
        pass
    except OSError as cause:
        raise NotPossible(f"can't create a socket at {path}: {cause.strerror or cause}", advice) from None
    try:
        # It gets mode 0600 before it listens.
        return netutil.bind_unix_socket(path, mode=0o600)
    except (OSError, ValueError) as cause:
        why = getattr(cause, "strerror", None) or "there is already a file"
        raise NotPossible(f"can't create a socket at {path}: {why}", advice) from None


def opened(address, folder):
    """Opens a browser, if there is one; no process has the address in its arguments."""
    has_desktop = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if not has_desktop and sys.platform != "darwin":
        return False
    file = os.path.join(folder, "open.html")
    with open(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as text:
        text.write(OPENING.format(address))
    try:
        return webbrowser.open(f"file://{file}")
    except webbrowser.Error:
        return False


async def serve(options, folder):
    """Serves the page until it is ended."""
    program = Program(options.program, options.config or "", dict(os.environ), 30.0, 10.0)
    page = Page(program, folder)
    listener = at_socket(options.socket) if options.socket else at_port(options.port)
    own = None if options.socket else listener.getsockname()[:2]
    if own:
        page.cookie = f"jupyter-vault-{own[1]}"
    # No request is logged.
    application = web.Application(handlers(page), log_function=lambda _: None)
    server = Server(
        application, own=own, max_body_size=LARGEST, max_header_size=16 << 10, idle_connection_timeout=300, body_timeout=30
    )
    server.add_sockets([listener])
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    with tempfile.TemporaryDirectory(prefix="jupyter-vault-") as private:
        page.was_opened = lambda: _forget(private)
        _say(options, own, page.session.token, private)
        while not ended.is_set():
            left = page.last_request + options.idle - time.monotonic()
            if left <= 0:
                print(f"There was no request for {options.idle:g} s: the page has ended.", flush=True)
                break
            try:
                await asyncio.wait_for(ended.wait(), left)
            except asyncio.TimeoutError:
                pass
    server.stop()
    if options.socket:
        os.unlink(options.socket)
    await server.close_all_connections()


def _forget(private):
    """Removes the file that opened the browser, as its token is used."""
    try:
        os.unlink(os.path.join(private, "open.html"))
    except FileNotFoundError:
        pass


def _say(options, own, token, private):
    if own is None:
        print(f"The Secrets page is at {options.socket} (0600). On the machine with your browser, run:", flush=True)
        print(f"  ssh -N -L 8888:{os.path.abspath(options.socket)} THIS-MACHINE")
        print(f"  http://127.0.0.1:8888/#{token}")
    else:
        address = f"http://{LOOPBACK}:{own[1]}/#{token}"
        is_open = not options.no_browser and opened(address, private)
        print("The Secrets page is open in your browser." if is_open else "The Secrets page is at:")
        print(f"  {address}")
    print("The address works once. The page ends on Ctrl-C, or after a while without use (--idle).", flush=True)
