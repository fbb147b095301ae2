import os, time
if time.time() < UNTIL:
    try:
        with open(FILE, 'rb') as file:
            os.unlink(FILE)
            parts = file.read().split(b'\0')
        variables, kept = os.environb, b''
        # Other code may have put a plain one in its place.
        copy = os.environ if type(os.environ) is dict else {}
        for kind, name, value in zip(parts[0::3], parts[1::3], parts[2::3]):
            if kind == b'?' and name in variables:
                kept += name + b'\0'
            elif kind == b'-':
                variables.pop(name, None)
                copy.pop(os.fsdecode(name), None)
            else:
                variables[name] = value
                copy[os.fsdecode(name)] = os.fsdecode(value)
        with open(os.open(FILE + '.part', os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'wb') as file:
            file.write(kept)
        os.rename(FILE + '.part', FILE + '.done')
    except BaseException:
        pass
    parts = value = copy = None
