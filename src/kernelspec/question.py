# Asked of the Python that runs Jupyter: where it looks for kernelspecs.
import importlib.util
import json
import sys

answer = {"prefix": sys.prefix, "executable": sys.executable, "folders": None}
answer["ipython"] = importlib.util.find_spec("IPython") is not None
answer["ipykernel"] = importlib.util.find_spec("ipykernel") is not None
try:
    from jupyter_core.paths import jupyter_data_dir, jupyter_path

    answer["folders"] = jupyter_path("kernels")
    answer["data"] = jupyter_data_dir()
except ImportError:
    pass
json.dump(answer, sys.stdout)
