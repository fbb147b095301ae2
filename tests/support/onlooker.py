"""Starts a kernel by its command and uses it, with a second client that listens. Takes orders: one JSON object per line
in, one out.
"""

import os
import queue
import subprocess
import time

from jupyter_client import BlockingKernelClient
from jupyter_client.connect import LocalPortCache, port_names, write_connection_file
from kept_ports import jupyter_config
from orders import serve

kernel = user = onlooker = None


def client(path):
    it = BlockingKernelClient(connection_file=path)
    it.load_connection_file()
    it.start_channels()
    return it


def start(command, listen=True, **_):
    global kernel, user, onlooker
    path = os.path.join(os.environ["JUPYTER_RUNTIME_DIR"], "kernel-1.json")
    ports = {name: LocalPortCache.instance().find_available_port("127.0.0.1") for name in port_names}
    write_connection_file(path, ip="127.0.0.1", key=b"a-key", **ports)
    log = open(os.environ["KERNEL_LOG"], "ab")
    words = [word.replace("{connection_file}", path) for word in command]
    kernel = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    user, onlooker = client(path), client(path)
    info = joined(user)
    # A subscription takes time too; it exists once a message arrives.
    if listen:
        joined(onlooker, heard=True)
        joined(user, heard=True)
    return {"file": path, "pid": kernel.pid, "info": info}


def joined(it, heard=False):
    """Repeats a request until it is answered: a message to a port where nothing listens yet may be delayed for long."""
    end = time.monotonic() + 90
    while time.monotonic() < end and kernel.poll() is None:
        message = it.kernel_info()
        try:
            info = reply_to(message, it, timeout=3)
            if heard:
                until_idle(it, message, timeout=1)
            return info
        except TimeoutError:
            continue
    raise TimeoutError("the kernel does not answer")


def until_idle(it, message, timeout=60):
    """All messages on iopub, for any client, until that message has been processed."""
    seen = []
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            answer = it.get_iopub_msg(timeout=0.5)
        except queue.Empty:
            continue
        own = (answer["parent_header"] or {}).get("msg_id") == message
        if answer["msg_type"] == "iopub_welcome":
            continue
        if own and answer["content"].get("execution_state") == "idle":
            return seen
        if not own or answer["msg_type"] != "status":
            seen.append({"kind": answer["msg_type"], "content": answer["content"], "own": own})
    raise TimeoutError(f"no idle; seen: {[one['kind'] for one in seen]}")


def reply_to(message, it=None, timeout=60):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            answer = (it or user).get_shell_msg(timeout=1)
        except queue.Empty:
            continue
        if (answer["parent_header"] or {}).get("msg_id") == message:
            return answer["content"]
    raise TimeoutError("no reply")


def cell(code, shows=False, **_):
    """Executes code as a notebook does; returns its output as text. If `shows` is set, waits for output."""
    message = user.execute(code)
    reply = reply_to(message)
    text = []
    for one in until_idle(user, message):
        if one["own"] and "text" in one["content"]:
            text.append(one["content"]["text"])
        elif one["own"] and "data" in one["content"]:
            text.append(one["content"]["data"].get("text/plain", ""))
    late(text, time.monotonic() + (60 if shows else 0))
    return {"reply": reply, "text": "".join(text).replace("\r", "").strip()}


def late(text, end):
    """Waits for Deno, which may send results and output after `idle`."""
    while True:
        try:
            answer = user.get_iopub_msg(timeout=0.2)
        except queue.Empty:
            if text or time.monotonic() >= end:
                return
            continue
        content = answer["content"]
        if "text" in content:
            text.append(content["text"])
        elif "data" in content:
            text.append(content["data"].get("text/plain", ""))


def heard(**_):
    """The messages that the second client has received since the last call."""
    message = onlooker.kernel_info()
    seen = until_idle(onlooker, message)
    return {"heard": [{"kind": one["kind"], "content": one["content"]} for one in seen]}


def history(**_):
    message = user.history(raw=True, output=True, hist_access_type="tail", n=1000)
    return {"history": reply_to(message)}


serve(globals())

if kernel is not None and kernel.poll() is None:
    user.shutdown()
    try:
        kernel.wait(10)
    except subprocess.TimeoutExpired:
        kernel.kill()
        kernel.wait()
