"""Runs a notebook with nbclient, and prints the outputs of its cells as JSON.

The first argument is a JSON list of cells. If a cell is a list `[code, seconds]`, its code is run repeatedly for that
time, like by a user who comes back to a notebook; its output is that of all runs, one per line.
"""

import json
import sys
import time

import nbformat
from nbclient import NotebookClient
from waiting import pause

PAUSE = 0.5
"""The pause between two runs of a cell, in seconds."""

cells = [cell if isinstance(cell, list) else [cell, 0] for cell in json.loads(sys.argv[1])]
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code, _ in cells])
client = NotebookClient(notebook, kernel_name="vaulted", timeout=60, startup_timeout=60)


def shown(cell):
    """The text of a cell's outputs."""
    texts = (output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)
    return "".join(texts).strip()


outputs, pictures = [], []
with client.setup_kernel():
    spawned = client.km.provisioner.pid
    for index, (cell, (_, seconds)) in enumerate(zip(notebook.cells, cells)):
        end = time.monotonic() + seconds
        runs = []
        while not runs or time.monotonic() < end:
            pause(PAUSE if runs else 0, "a user runs the cell from time to time")
            client.execute_cell(cell, index)
            runs.append(shown(cell))
        outputs.append("\n".join(runs))
        pictures += [data["image/png"] for output in cell.outputs if "image/png" in (data := output.get("data", {}))]
json.dump({"outputs": outputs, "pictures": pictures, "spawned": spawned}, sys.stdout)
