import os, time
if time.time() < UNTIL:
    try:
        with open(FILE, 'rb') as file:
            os.unlink(FILE)
            parts = file.read().split(b'\0')
        kept = b''
        for kind, name, value in zip(parts[0::3], parts[1::3], parts[2::3]):
            if kind == b'-':
                os.environb.pop(name, None)
            elif kind == b'?' and name in os.environb:
                kept += name + b'\0'
            else:
                os.environb[name] = value
        with open(os.open(FILE + '.part', os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'wb') as file:
            file.write(kept)
        os.rename(FILE + '.part', FILE + '.done')
    except BaseException:
        pass
    parts = value = None
