"""A front end based on jupyter_client. Takes orders: one JSON object per line in, one out."""

import os
import queue
import resource
import signal
import subprocess
import time

import waiting
import zmq
from jupyter_client.manager import KernelManager
from kept_ports import jupyter_config
from orders import serve

manager = client = None


def start(kernel="vaulted", transport="tcp", curve=False, extra_env=None, name=None, unsigned=False, connects=True, **_):
    global manager
    manager = KernelManager(kernel_name=kernel, transport=transport)
    if name:
        # A server names it like this; a separate manager would use a temporary file.
        manager.connection_file = os.path.join(os.environ["JUPYTER_RUNTIME_DIR"], name)
    if curve:
        manager.transport_encryption = "required"
    if unsigned:
        manager.session.key = b""
    log = open(os.environ["KERNEL_LOG"], "ab")
    # The kernel's output must not mix with this program's answers.
    manager.start_kernel(env={**os.environ, **(extra_env or {})}, stdout=subprocess.DEVNULL, stderr=log)
    if connects:
        connect()
    return {"pid": manager.provisioner.pid, "file": os.path.abspath(manager.connection_file)}


def unusual(**_):
    """Sets what later processes inherit."""
    resource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    os.umask(0o027)
    return {}


def connect(**_):
    global client
    if client:
        client.stop_channels()
    client = manager.client()
    client.start_channels()
    return {}


def late_listener(code, pause, **_):
    """A client whose iopub connection is up. Each channel connects when it is first used."""
    global client
    client = manager.client()
    client.control_channel.send(client.session.msg("kernel_info_request", {}))
    client.control_channel.get_msg(timeout=30)
    sent = client.execute(code)
    waiting.pause(pause, "the moment is what varies")
    return collect([sent], 30)[0]


def ready(**_):
    client.wait_for_ready(timeout=60)
    return {"info": request("kernel_info_request")["reply"]}


def collect(wanted, timeout=60):
    """Waits for the reply and `idle` of each message in `wanted`; returns the messages of each."""
    seen = {message: {"output": [], "reply": None, "idle": False, "order": []} for message in wanted}
    end = time.monotonic() + timeout
    channels = [client.iopub_channel, client.shell_channel, client.stdin_channel, client.control_channel]
    while not all(of["reply"] is not None and of["idle"] for of in seen.values()):
        if time.monotonic() > end:
            raise TimeoutError(f"no answer in time: {seen}")
        ready, _, _ = zmq.select([channel.socket for channel in channels], [], [], 0.2)
        for channel in channels:
            if channel.socket not in ready:
                continue
            answer = channel.get_msg(timeout=1)
            of = seen.get((answer["parent_header"] or {}).get("msg_id"))
            if of is None:
                continue
            kind, content = answer["msg_type"], answer["content"]
            if channel is client.iopub_channel:  # Messages of two connections have no common order.
                of["order"].append(f"{kind}:{content['execution_state']}" if kind == "status" else kind)
                of["idle"] |= content.get("execution_state") == "idle"
                if kind != "status":
                    of["output"].append({"kind": kind, **content})
            elif channel is client.stdin_channel:
                of["output"].append({"kind": kind, **content})
            else:
                of["reply"] = {**content, "of": kind}
    return [seen[message] for message in wanted]


def execute(codes, together=False, wait=True, timeout=60, **options):
    """Executes cells one after the other, or sends all at once."""
    if together or not wait:
        sent = [client.execute(code, **options) for code in codes]
        return collect(sent, timeout) if wait else {"sent": sent}
    return [collect([client.execute(code, **options)], timeout)[0] for code in codes]


def prints(code, text, timeout=60, **_):
    """Executes a cell and waits until it has printed that; Deno may print after `idle`."""
    end = time.monotonic() + timeout
    printed = ""
    while time.monotonic() < end:
        printed = "".join(of.get("text", "") for of in execute([code])[0]["output"])
        late = time.monotonic() + 1
        while text not in printed and time.monotonic() < late:
            try:
                printed += client.iopub_channel.get_msg(timeout=0.1)["content"].get("text", "")
            except queue.Empty:
                continue
        if text in printed:
            return {}
    raise TimeoutError(f"{text!r} is not printed: {printed!r}")


def interrupted(code, **_):
    """Executes a cell that prints something and sleeps, and interrupts it once it has printed.

    It waits for the cell's reply and `idle`, not for its `error`: between the two, ipykernel aborts new requests. And
    it asks again if nothing happens: Python loses a KeyboardInterrupt that comes in a callback.
    """
    sent = client.execute(code)
    broadcast("stream")
    for _ in range(12):
        manager.interrupt_kernel()
        try:
            return collect([sent], 5)[0]
        except TimeoutError:
            continue
    raise TimeoutError("the cell was interrupted and did not end")


def request(kind, content=None, channel="shell", **_):
    message = client.session.msg(kind, content or {})
    getattr(client, f"{channel}_channel").send(message)
    return collect([message["header"]["msg_id"]])[0]


def unanswered(kind, content=None, channel="shell", **_):
    """Sends a request that gets no reply; returns its messages on iopub."""
    message = client.session.msg(kind, content or {})
    getattr(client, f"{channel}_channel").send(message)
    order, end = [], time.monotonic() + 30
    while order[-1:] != ["idle"]:
        if time.monotonic() > end:
            raise TimeoutError(f"{kind}: {order}")
        try:
            answer = client.iopub_channel.get_msg(timeout=0.5)
        except queue.Empty:
            continue
        if (answer["parent_header"] or {}).get("msg_id") == message["header"]["msg_id"]:
            order.append(answer["content"].get("execution_state", answer["msg_type"]))
    return {"order": order}


def garbage(**_):
    """Sends frames that are not a message, and a signed message whose content is nested very deeply."""
    socket = client.context.socket(zmq.DEALER)
    socket.linger = 1000
    socket.connect(client._make_url("shell"))
    for frames in ([b""], [b"x" * 10], [b"<IDS|MSG>"], [b"a", b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"], [b""] * 500):
        socket.send_multipart(frames)
    header, parent, metadata, _ = client.session.serialize(client.session.msg("execute_request", {}))[-4:]
    content = b'{"code": "1", "x": ' + b"[" * 50000 + b"]" * 50000 + b"}"
    signature = client.session.sign([header, parent, metadata, content])
    socket.send_multipart([b"<IDS|MSG>", signature, header, parent, metadata, content])
    socket.close()
    return {}


def broadcast(kind, wait=30, **_):
    """The next message of that type on iopub, whichever client caused it."""
    end = time.monotonic() + wait
    while time.monotonic() < end:
        try:
            answer = client.iopub_channel.get_msg(timeout=0.5)
        except queue.Empty:
            continue
        if answer["msg_type"] == kind:
            return {"content": answer["content"], "parent": (answer["parent_header"] or {}).get("msg_type")}
    raise TimeoutError(kind)


def give_input(value, wait=60, **_):
    """Answers the next request for input."""
    client.stdin_channel.get_msg(timeout=wait)
    client.input(value)
    return {}


def interrupt(**_):
    manager.interrupt_kernel()
    return {}


def restart(now=False, **_):
    manager.restart_kernel(now=now)
    connect()
    return {"pid": manager.provisioner.pid}


def shutdown(now=False, **_):
    client.stop_channels()
    manager.shutdown_kernel(now=now)
    return {"left": os.path.exists(f"/proc/{manager.provisioner.pid}") if manager.provisioner and manager.provisioner.pid else False}


def beats(**_):
    """Whether the heartbeat comes back."""
    client.hb_channel.unpause()
    waiting.pause(client.hb_channel.time_to_dead * 1.5, "before that, a channel without beats counts as beating")
    return {"beating": waiting.within(30, client.hb_channel.is_beating)}


def alive(**_):
    process = manager.provisioner.process
    return {"alive": process.poll() is None, "code": process.poll()}


def stop_listening(**_):
    client.stop_channels()
    return {"pid": manager.provisioner.pid}


def send(kind, content=None, channel="shell", **_):
    """Sends a request without waiting for its reply."""
    getattr(client, f"{channel}_channel").send(client.session.msg(kind, content or {}))
    return {}


def replies(count, wait=60, **_):
    """The next replies on shell, to any request."""
    return {"replies": [client.shell_channel.get_msg(timeout=wait)["content"] for _ in range(count)]}


def stranger(**_):
    """A client that can connect, but does not know the key."""
    other = manager.client()
    other.session.key = b"another"
    other.start_channels()
    other.shell_channel.send(other.session.msg("kernel_info_request", {}))
    try:
        other.shell_channel.get_msg(timeout=2)
        return {"heard": True}
    except queue.Empty:
        return {"heard": False}
    finally:
        other.stop_channels()


serve(globals())
if manager is not None and manager.has_kernel:
    manager.shutdown_kernel(now=True)
