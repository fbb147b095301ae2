"""Clients of a kernel that another process has started. Takes orders: one JSON object per line in, one out.

Each client is a session with a shell, a control and an iopub connection. Received messages are kept by their request.
"""

import json
import os
import resource
import socket
import time

import waiting
import zmq
from jupyter_client.session import Session
from orders import serve

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
context = zmq.Context()
context.set(zmq.MAX_SOCKETS, 8192)
poller = zmq.Poller()
clients, where = [], {}
asked = {}
said = []
file = None
strangers = []


class Client:
    def __init__(self):
        self.session = Session(key=file["key"].encode(), signature_scheme=file["signature_scheme"])
        self.sockets = {}
        for channel in ("iopub", "shell", "control"):
            it = context.socket(zmq.SUB if channel == "iopub" else zmq.DEALER)
            it.linger = 0
            if channel == "iopub":
                it.subscribe(b"")
            else:
                it.identity = f"{self.session.session}".encode()
            it.connect(address(channel))
            poller.register(it, zmq.POLLIN)
            where[it] = (len(clients), channel)
            self.sockets[channel] = it
        clients.append(self)


def address(channel):
    colon = "-" if file["transport"] == "ipc" else ":"
    return f"{file['transport']}://{file['ip']}{colon}{file[channel + '_port']}"


def connect(path, count=1, timeout=60, **_):
    """Adds clients; each has received a kernel_info reply and the `idle` after it.

    A message that is published before a client's subscription has arrived is lost, so a client that has its reply and
    heard nothing sends its request again, as Jupyter's own client does.
    """
    global file
    file = json.load(open(path))
    new = [len(clients) + number for number in range(count)]
    for _ in new:
        Client()
    end = time.monotonic() + timeout
    sent = dict(zip(new, ask([{"client": number, "kind": "kernel_info_request"} for number in new])["asked"]))
    while deaf := [number for number, one in sent.items() if not done(asked[one])]:
        if time.monotonic() > end:
            raise TimeoutError(f"{len(deaf)} of {count} clients have no answer: {[asked[sent[number]] for number in deaf]}")
        for number in deaf:
            one = asked[sent[number]]
            if one["reply"] is not None and time.monotonic() > one["sent"] + 1:
                del asked[sent[number]]
                [sent[number]] = ask([{"client": number, "kind": "kernel_info_request"}])["asked"]
        pump(0.2)
    return {"clients": new}


def ask(requests, **_):
    """Sends requests without waiting for replies; returns their ids."""
    ids = []
    for wanted in requests:
        client = clients[wanted.get("client", 0)]
        channel = wanted.get("channel", "shell")
        content = wanted.get("content", {})
        if wanted["kind"] == "execute_request":
            content = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, **content}
        if "letters" in wanted:
            content["code"] = "#" * wanted["letters"]
        message = client.session.msg(wanted["kind"], content)
        ids.append(message["header"]["msg_id"])
        answer = {"reply": None, "idle": False, "order": [], "text": "", "answers": wanted.get("answers", True)}
        asked[ids[-1]] = {**answer, "kind": wanted["kind"], "client": wanted.get("client", 0), "channel": channel, "sent": time.monotonic()}
        client.session.send(client.sockets[channel], message)
    return {"asked": ids}


def pump(limit):
    """Reads the messages that have arrived, waiting at most that many seconds for the first."""
    for it, _ in poller.poll(limit * 1000):
        number, channel = where[it]
        while True:
            try:
                frames = it.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            session = clients[number].session
            _, parts = session.feed_identities(frames)
            answer = session.deserialize(parts)
            of = asked.get((answer["parent_header"] or {}).get("msg_id"))
            kind, content = answer["msg_type"], answer["content"]
            if channel == "iopub":
                said.append({"client": number, "kind": kind, "text": content.get("text", "")})
            if of is None or of["client"] != number:
                continue
            if channel != "iopub":
                of["reply"] = {**content, "of": kind, "channel": channel}
                continue
            of["order"].append(f"{kind}:{content['execution_state']}" if kind == "status" else kind)
            of["idle"] |= content.get("execution_state") == "idle"
            of["text"] += content.get("text", "")


def done(of):
    return of["idle"] and (of["reply"] is not None or not of["answers"])


def collect(ids=None, timeout=30, **_):
    """Waits until those requests, or all, have their reply and `idle`; returns the messages of each."""
    ids = list(asked) if ids is None else ids
    end = time.monotonic() + timeout
    while not all(done(asked[one]) for one in ids):
        if time.monotonic() > end:
            missing = [asked[one] for one in ids if not done(asked[one])]
            short = [(one["client"], one["kind"], one["channel"], round(one["sent"], 3), one["reply"] is not None) for one in missing]
            raise TimeoutError(f"{len(missing)} of {len(ids)} have no answer: {short}")
        pump(0.2)
    return {"answers": [asked[one] for one in ids]}


def collect_or_not(ids, timeout, **_):
    """Whether they have their reply and `idle` in that time."""
    try:
        collect(ids, timeout)
        return {"done": True}
    except TimeoutError:
        return {"done": False}


def begun(ids, timeout=30, **_):
    """Waits until those cells have begun."""
    end = time.monotonic() + timeout
    while not all("execute_input" in asked[one]["order"] for one in ids):
        if time.monotonic() > end:
            raise TimeoutError(f"they have not begun: {[asked[one] for one in ids]}")
        pump(0.2)
    return {}


def replies(ids, **_):
    """The replies to those requests that have arrived."""
    pump(0)
    return {"replies": [asked[one]["reply"] for one in ids]}


def stream(code, pause, until, after, timeout=60, **_):
    """Each client sends a cell and a request every `pause` seconds, until `after` seconds after a cell has printed `until`."""
    ids, number, end = [], 0, time.monotonic() + timeout
    stop = None
    while stop is None or time.monotonic() < stop:
        if time.monotonic() > end:
            raise TimeoutError(f"no cell has printed {until}: {[asked[one]['reply'] for one in ids[-3:]]}")
        for client in range(len(clients)):
            cell = {"client": client, "kind": "execute_request", "content": {"code": code.replace("NUMBER", str(number))}}
            ids += ask([cell, {"client": client, "kind": "kernel_info_request", "channel": ("shell", "control")[number % 2]}])["asked"]
            number += 1
        next = time.monotonic() + pause
        while time.monotonic() < next:
            pump(max(0, next - time.monotonic()))
        if stop is None and any(until in one["text"] for one in said):
            stop = time.monotonic() + after
    return {"asked": ids}


def until_all_hear(kind, timeout=60, **_):
    """Waits until every client has received a message of that kind on iopub."""
    end = time.monotonic() + timeout
    while len({one["client"] for one in said if one["kind"] == kind}) < len(clients):
        if time.monotonic() > end:
            raise TimeoutError(f"not everybody has heard {kind}")
        pump(0.2)
    return {}


def half(path, bytes, **_):
    """Connects to shell as a client, and sends the beginning of a large message."""
    global file
    file = json.load(open(path))
    it = socket.create_connection((file["ip"], file["shell_port"]))
    strangers.append(it)
    it.sendall(b"\xff" + b"\0" * 8 + b"\x7f\x03\x00NULL" + b"\0" * 48)
    ready = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"
    it.sendall(b"\x04" + len(ready).to_bytes(1, "big") + ready)
    it.sendall(b"\x02" + (64 << 20 >> 1).to_bytes(8, "big") + b"x" * bytes)
    return {}


def flood(path, until, timeout=90, **_):
    """Sends requests without a pause and reads all replies, until the file `until` exists."""
    global file
    file = json.load(open(path))
    client = Client()
    shell = client.sockets["shell"]
    content = {"code": "x" * 2000, "cursor_pos": 0}
    messages = [client.session.serialize(client.session.msg("complete_request", content)) for _ in range(200)]
    end = time.monotonic() + timeout
    while not os.path.exists(until) and time.monotonic() < end:
        for message in messages:
            try:
                shell.send_multipart(message, zmq.NOBLOCK)
            except zmq.Again:
                break
        for it in client.sockets.values():
            try:
                while True:
                    it.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                pass
    return {}


def knock(path, until, timeout=90, **_):
    """Connects to shell only, again and again, until the file `until` exists."""
    global file
    file = json.load(open(path))
    end = time.monotonic() + timeout
    while not os.path.exists(until) and time.monotonic() < end:
        it = context.socket(zmq.DEALER)
        it.connect(address("shell"))
        waiting.pause(0.5, "the connection gets ready, and is not used")
        it.close(0)
    return {}


def leave(count, **_):
    """Closes all connections of the last clients."""
    for client in [clients.pop() for _ in range(count)]:
        for it in client.sockets.values():
            poller.unregister(it)
            it.close(0)
    return {}


serve(globals())
