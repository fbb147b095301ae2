# A kernel that answers nothing but kernel_info requests.
kernel = get_ipython().kernel
async def nothing(*given): pass
kernel.shell_handlers['execute_request'] = nothing
send = kernel.session.send
def little(socket, kind, *given, **more):
    kind_of = kind if isinstance(kind, str) else kind['header']['msg_type']
    if kind_of == 'kernel_info_reply': return send(socket, kind, *given, **more)
kernel.session.send = little
