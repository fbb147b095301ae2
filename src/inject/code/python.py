import json, os, time
if time.time() < UNTIL:
    try:
        variables = os.environb
        given = json.loads(ASK(json.dumps([name for name in KEEP if name.encode() in variables])))
        for name in UNSET:
            variables.pop(name.encode(), None)
        for name in given:
            variables[name.encode()] = given[name].encode()
        failed = None
    except BaseException as cause:
        failed = type(cause).__name__
    given = None
    if failed:
        ASK(failed)
