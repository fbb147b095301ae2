"""Runs a program on a new terminal. Takes orders: one JSON object per line in, one out."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios

from pexpect.fdpexpect import fdspawn

program = terminal = slave = None


def own_terminal():
    # A test run in the background has SIGINT ignored, and a child would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def start(argv, env, cwd=None, **_):
    global program, terminal, slave
    master, slave = pty.openpty()
    program = subprocess.Popen(
        argv,
        env=env,
        cwd=cwd,
        stdin=slave,
        stderr=slave,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=own_terminal,
    )
    terminal = fdspawn(master, timeout=60)
    return {}


shown = b""


def expect(text, **_):
    global shown
    terminal.expect_exact(text.encode())
    shown += terminal.before + terminal.after
    return {}


def so_far(**_):
    return {"shown": shown.decode()}


def send(text, **_):
    os.write(terminal.child_fd, text.encode())
    return {}


def echo(**_):
    return {"on": bool(termios.tcgetattr(slave)[3] & termios.ECHO)}


def kill(**_):
    program.send_signal(signal.SIGTERM)
    return {}


def end(**_):
    global shown
    stdout = program.communicate(timeout=60)[0]
    # Reads the rest of the output; the terminal stays open because this process holds its other end.
    os.set_blocking(terminal.child_fd, False)
    shown += terminal.buffer
    try:
        while True:
            shown += os.read(terminal.child_fd, 65536)
    except BlockingIOError:
        pass
    return {"code": program.returncode, "stdout": stdout.decode(), "shown": shown.decode()}


for line in sys.stdin:
    order = json.loads(line)
    try:
        answer = globals()[order.pop("do")](**order)
    except Exception as error:  # noqa: BLE001
        answer = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
if program and program.poll() is None:
    program.kill()
