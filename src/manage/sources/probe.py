# Connects to a data source with the first client that is installed.
# The question is read from standard input. The answer goes to the original stdout; output of a client does not.
import importlib
import json
import os
import sys

question = json.load(sys.stdin)
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
answer = {}
for module, hello in question["clients"]:
    try:
        importlib.import_module(module)
    except ImportError:
        continue
    names = {"os": os, "name": question["name"], "stem": question["stem"], "seconds": question["seconds"]}
    names["url"] = os.environ.get(question["stem"] + "_URL")
    top = module.split(".")[0]
    names[top] = sys.modules[top]
    answer = {"client": module, "version": str(getattr(sys.modules[module], "__version__", ""))}
    try:
        exec(hello, names)
    except Exception as error:
        # The client is installed, but not what it needs: a driver, or a dialect of SQLAlchemy.
        if isinstance(error, ImportError) or type(error).__name__ == "NoSuchModuleError":
            answer = {}
            continue
        answer["failed"] = type(error).__name__
        answer["text"] = str(error)[:4000]
    break
json.dump(answer, answers)
answers.flush()
os._exit(0)
