import time
from IPython import get_ipython
kernel = get_ipython().kernel
socket, session = kernel.stdin_socket, kernel.session
to = kernel.get_parent('shell'), kernel._parent_ident['shell']
def say(prompt):
    return session.send(socket, 'input_request', {'prompt': prompt, 'password': True}, *to)['msg_id']
def ask(question):
    asked = []
    # A question is lost if no client listens yet.
    for pause in 20, 100, 900, 2000, 7000:
        asked.append(say(question))
        while socket.poll(pause) and time.time() < UNTIL + 10:
            try:
                reply = session.recv(socket)[1]
                if reply['parent_header']['msg_id'] in asked:
                    return reply['content']['value']
            except Exception:
                pass
    raise TimeoutError
def tell(failed):
    say(failed or 'done')
