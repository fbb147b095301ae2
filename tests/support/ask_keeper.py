"""Asks the keeper whose socket is named for a credential, as another user; prints the length of the answer."""

import os
import socket
import sys

os.chdir(sys.argv[1])
os.setuid(65534)
asking = socket.socket(socket.AF_UNIX)
asking.connect(sys.argv[2])
try:
    asking.sendall(b"lake\n")
    print(len(asking.recv(100)))
except ConnectionError:
    print(0)
