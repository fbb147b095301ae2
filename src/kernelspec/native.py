# Asked of the Python that runs Jupyter: the kernelspec that it makes up when there is no python3.
import json
import sys

from ipykernel.kernelspec import RESOURCES, get_kernel_dict

json.dump({"folder": RESOURCES, "kernel_json": json.dumps(get_kernel_dict(), indent=1)}, sys.stdout)
