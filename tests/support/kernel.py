"""Starts the kernelspec named `vaulted` as Jupyter does, uses it, and prints the results as JSON."""

import json
import os
import queue
import sys
import time

from jupyter_client.manager import KernelManager
from kept_ports import jupyter_config


def execute(client, code, wait=60):
    """Runs code; returns its output, and the name of its error if there was one."""
    message = client.execute(code)
    printed, error = "", None
    end = time.monotonic() + wait
    while time.monotonic() < end:
        try:
            answer = client.get_iopub_msg(timeout=1)
        except queue.Empty:
            continue
        if answer["parent_header"].get("msg_id") != message:
            continue
        if answer["msg_type"] == "stream":
            printed += answer["content"]["text"]
            if "\nready\n" in printed and error is None and "time.sleep" in code:
                yield_to_interrupt()
        elif answer["msg_type"] == "error":
            error = answer["content"]["ename"]
        elif answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
            return printed.strip(), error
    raise TimeoutError(code)


def yield_to_interrupt():
    manager.interrupt_kernel()


LOOK = (
    "import os, json; print(json.dumps({'pid': os.getpid(), "
    "'length': len(os.environ.get('KERNEL_SECRET', '')), "
    "'credentials': [n for n in os.environ if 'VAULT' in n and 'TOKEN' in n], "
    "'child': len(os.popen('printf %s \"$KERNEL_SECRET\"').read())}))"
)

manager = KernelManager(kernel_name="vaulted")
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)
seen = {"spawned": manager.provisioner.pid, "first": json.loads(execute(client, LOOK)[0])}
seen["executable"] = os.path.basename(os.readlink(f"/proc/{manager.provisioner.pid}/exe"))
seen["interrupted"] = execute(client, "import time; print('\\nready\\n', flush=True); time.sleep(50)")[1]
manager.restart_kernel(now=False)
client.wait_for_ready(timeout=60)
seen["respawned"] = manager.provisioner.pid
seen["second"] = json.loads(execute(client, LOOK)[0])
client.stop_channels()
manager.shutdown_kernel()
seen["left"] = os.path.exists(f"/proc/{seen['respawned']}")
json.dump(seen, sys.stdout)
