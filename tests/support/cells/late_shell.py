# As in ipykernel issue 1554: shell is not read until the connection after next.
import threading

import zmq

k = get_ipython().kernel
stream = k.shell_stream
callback = stream._recv_callback
monitor = stream.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
def watch():
    for _ in range(2): monitor.recv_multipart()
    stream.io_loop.add_callback(lambda: stream.on_recv(callback, copy=False))
threading.Thread(target=watch, daemon=True).start()
stream.io_loop.add_callback(stream.stop_on_recv)
