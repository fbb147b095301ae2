"""Runs the notebook given as argument by nbclient, and prints its cells' outputs, one JSON list."""

import json
import sys

import nbformat
from nbclient import NotebookClient

notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in json.loads(sys.argv[1])])
client = NotebookClient(notebook, kernel_name="vaulted", timeout=60, startup_timeout=60)
spawned = []
client.on_cell_start = lambda cell, cell_index: spawned.append(client.km.provisioner.pid)
client.execute()
outputs = ["".join(output.get("text", "") for output in cell.outputs).strip() for cell in notebook.cells]
json.dump({"outputs": outputs, "spawned": spawned[0]}, sys.stdout)
