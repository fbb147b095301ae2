# Each input request has another prompt, PROMPT; input replies are written to the file GOT.
session = get_ipython().kernel.session
send, recv = session.send, session.recv
def other(socket, kind, content=None, *given, **more):
    if kind == 'input_request': content = dict(content, prompt=PROMPT)
    return send(socket, kind, content, *given, **more)
session.send = other
def seen(*given, **more):
    ident, reply = recv(*given, **more)
    if reply and reply['header']['msg_type'] == 'input_reply': open(GOT, 'a').write(str(reply['content']))
    return ident, reply
session.recv = seen
