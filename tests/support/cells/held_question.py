# The first input request is held back until the file `go` exists.
import os
import time

session, asked = get_ipython().kernel.session, []
send = session.send
def held(socket, kind, *given, **more):
    if kind == 'input_request' and not asked:
        asked.append(kind)
        open('asked', 'a').write('x')
        while not os.path.exists('go'): time.sleep(0.01)
    return send(socket, kind, *given, **more)
session.send = held
