"""As many kernels as connection files are named, in one process: light ones, that know two requests.

For a load that real kernels are too heavy for. Each answers kernel_info as ipykernel does, asks for input when it is
to execute, and counts: a line `COUNT` goes to stdout when one has got its answer.
"""

import json
import sys

import zmq
from jupyter_client.session import Session

INFO = {"status": "ok", "protocol_version": "5.4", "implementation": "ipython", "implementation_version": "9",
        "language_info": {"name": "python", "version": "3", "mimetype": "", "file_extension": ".py"}, "banner": ""}

context, poller, roles = zmq.Context(), zmq.Poller(), {}
context.set(zmq.MAX_SOCKETS, 10_000)
for path in sys.argv[1:]:
    kernel = {"session": Session(key=b"k"), "asked": None}
    ports = {}
    for role in ("shell", "stdin", "hb"):
        kernel[role] = context.socket(zmq.REP if role == "hb" else zmq.ROUTER)
        ports[f"{role}_port"] = kernel[role].bind_to_random_port("tcp://127.0.0.1")
        poller.register(kernel[role], zmq.POLLIN)
        roles[kernel[role]] = (role, kernel)
    ports |= {"control_port": ports["shell_port"], "iopub_port": ports["shell_port"]}
    with open(path, "w") as file:
        json.dump({**ports, "ip": "127.0.0.1", "transport": "tcp", "key": "k", "signature_scheme": "hmac-sha256"}, file)
print("listening", flush=True)
served = 0
while True:
    for socket, _ in poller.poll():
        role, kernel = roles[socket]
        if role == "hb":
            socket.send(socket.recv())
            continue
        session = kernel["session"]
        idents, message = session.recv(socket)
        kind = message["header"]["msg_type"]
        if kind == "kernel_info_request":
            session.send(socket, "kernel_info_reply", INFO, message, ident=idents)
        elif kind == "execute_request":
            kernel["asked"] = (idents, message)
            session.send(kernel["stdin"], "input_request", {"prompt": "[]", "password": True}, message, ident=idents)
        elif kind == "input_reply":
            idents, request = kernel["asked"]
            reply = {"status": "ok", "execution_count": 0, "user_expressions": {}, "payload": []}
            session.send(kernel["shell"], "execute_reply", reply, request, ident=idents)
            served += 1
            print(served, flush=True)
