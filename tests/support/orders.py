"""Orders from a test: each line on stdin names a function and its arguments, and is answered by a line."""

import json
import sys


def serve(functions):
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = functions[order.pop("do")](**order)
        except Exception as cause:
            answer = {"failed": f"{type(cause).__name__}: {cause}"}
        print(json.dumps(answer), flush=True)
