# Asked of the Python that runs Jupyter: where it looks for kernelspecs, and which of them it leaves out.
import contextlib
import importlib.util
import json
import os
import sys


def said_by_configuration():
    """What `jupyter kernelspec list` takes from jupyter_config; nothing is imported when there is no such file."""
    from jupyter_core.paths import jupyter_config_path

    names = [f"jupyter_config{ending}" for ending in (".py", ".json")]
    if not any(os.path.exists(os.path.join(folder, name)) for folder in jupyter_config_path() for name in names):
        return {}
    # The file is code, and may print.
    with contextlib.redirect_stdout(sys.stderr):
        from jupyter_client.kernelspec import KernelSpecManager
        from jupyter_client.kernelspecapp import ListKernelSpecs

        app = ListKernelSpecs()
        app.load_config_file()
        manager = KernelSpecManager(parent=app)
        return {"allowed": sorted(manager.allowed_kernelspecs), "native": manager.ensure_native_kernel}


answer = {"prefix": sys.prefix, "executable": sys.executable, "folders": None}
# See jupyter_client's KernelManager.format_kernel_cmd.
answer["names"] = ["python", "python%i" % sys.version_info[0], "python%i.%i" % sys.version_info[:2]]
answer["ipython"] = importlib.util.find_spec("IPython") is not None
answer["ipykernel"] = importlib.util.find_spec("ipykernel") is not None
try:
    from jupyter_core.paths import jupyter_data_dir, jupyter_path

    answer["folders"] = jupyter_path("kernels")
    answer["data"] = jupyter_data_dir()
except ImportError:
    pass
try:
    answer.update(said_by_configuration())
except (Exception, SystemExit):
    # Jupyter would show no kernel at all; that is for Jupyter to say.
    pass
json.dump(answer, sys.stdout)
