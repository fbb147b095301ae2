import getpass, json, os, time
if time.time() < UNTIL:
    try:
        kept = [name for name in KEEP if os.fsdecode(name.encode()) in os.environ]
        given = json.loads(getpass.getpass(json.dumps(kept)))
        for name in UNSET:
            os.environ.pop(os.fsdecode(name.encode()), None)
        for name in SET:
            if name not in kept:
                os.environ[os.fsdecode(name.encode())] = os.fsdecode(given.pop(name).encode())
        failed = None
    except BaseException as cause:
        failed = type(cause).__name__
    given = None
    if failed:
        getpass.getpass(failed)
