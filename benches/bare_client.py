"""The bare client in Python, Jupyter's own: executes an empty cell in the kernel of a connection file."""

import sys

from jupyter_client import BlockingKernelClient

client = BlockingKernelClient(connection_file=sys.argv[1])
client.load_connection_file()
client.shell_channel.start()
message = client.execute("", silent=True)
while client.shell_channel.get_msg(timeout=30)["parent_header"].get("msg_id") != message:
    pass
client.shell_channel.stop()
