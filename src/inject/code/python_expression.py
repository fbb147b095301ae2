import json, os, time
if time.time() < UNTIL:
    from IPython import get_ipython
    kernel = get_ipython().kernel
    socket, session = kernel.stdin_socket, kernel.session
    to = kernel.get_parent('shell'), kernel._parent_ident['shell']
    try:
        variables = os.environb
        # Somebody may have put a plain one in its place.
        copy = os.environ if type(os.environ) is dict else {}
        question = {'prompt': json.dumps([name for name in KEEP if name.encode() in variables]), 'password': True}
        asked, given = [], None
        # A question that nobody is there to hear yet is lost.
        for pause in 20, 100, 900, 2000, 7000:
            asked.append(session.send(socket, 'input_request', question, *to)['msg_id'])
            while not given and socket.poll(pause) and time.time() < UNTIL + 10:
                try:
                    reply = session.recv(socket)[1]
                    if reply['parent_header']['msg_id'] in asked:
                        given = reply['content']['value']
                except Exception:
                    pass
            if given:
                break
        else:
            raise TimeoutError
        given = json.loads(given)
        for name in UNSET:
            variables.pop(name.encode(), None)
            copy.pop(name, None)
        for name in given:
            variables[name.encode()] = given[name].encode()
            copy[name] = given[name]
        told = 'done'
    except BaseException as cause:
        told = type(cause).__name__
    reply = given = copy = None
    session.send(socket, 'input_request', {'prompt': told, 'password': True}, *to)
