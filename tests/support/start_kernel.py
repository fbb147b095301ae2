"""Starts a kernel in the folder that is named, and prints `started`, or why that failed."""

import sys

from jupyter_client.manager import KernelManager

manager = KernelManager(kernel_name="vaulted")
try:
    manager.start_kernel(cwd=sys.argv[1])
    print("started")
    manager.shutdown_kernel(now=True)
except Exception as error:
    print(type(error).__name__)
