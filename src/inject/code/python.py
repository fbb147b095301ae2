import json, os, time
if time.time() < UNTIL:
    try:
        variables = os.environb
        # Other code may have put a plain one in its place.
        copy = os.environ if type(os.environ) is dict else {}
        given = json.loads(ask(json.dumps([name for name in KEEP if name.encode() in variables])))
        for name in UNSET:
            variables.pop(name.encode(), None)
            copy.pop(name, None)
        for name in given:
            variables[name.encode()] = given[name].encode()
            copy[name] = given[name]
        failed = None
    except BaseException as cause:
        failed = type(cause).__name__
    given = copy = None
    tell(failed)
