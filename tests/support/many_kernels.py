"""Starts a real ipykernel for each connection file in its arguments, forked from one process that has loaded it.

Two hundred processes that each load ipykernel would take several times the memory and the time. Prints `listening` once
all connection files are complete, and ends its kernels when its standard input ends. A line on standard input is code
to run in every kernel; the output of all is printed as one line.
"""

import json
import os
import signal
import sys

import IPython.core.completer  # A kernel would load it at its start.
from ipykernel.kernelapp import IPKernelApp
from jupyter_client import BlockingKernelClient
from waiting import eventually


def kernel(path):
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    app = IPKernelApp.instance()
    # All kernels would write to one history.
    app.initialize(["-f", path, "--HistoryManager.enabled=False"])
    app.start()


def run(code, path):
    client = BlockingKernelClient(connection_file=path)
    client.load_connection_file()
    client.start_channels(hb=False)
    client.wait_for_ready(timeout=120)
    printed = []
    client.execute_interactive(code, timeout=120, output_hook=lambda message: printed.append(message["content"].get("text", "")))
    client.stop_channels()
    return "".join(printed).strip()


def whole(path):
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


children = []
for path in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        kernel(path)
        os._exit(0)
    children.append(child)
eventually("all kernels start", lambda: all(whole(path) for path in sys.argv[1:]), 300)
print("listening", flush=True)
try:
    for line in sys.stdin:
        print(json.dumps([run(line, path) for path in sys.argv[1:]]), flush=True)
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
