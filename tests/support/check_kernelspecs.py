"""Checks each kernel.json given as argument: by Jupyter Server's own schema, and as jupyter_client reads it."""

import json
import os
import sys

import jupyter_server
import jsonschema
import yaml
from jupyter_client.kernelspec import KernelSpec

with open(os.path.join(os.path.dirname(jupyter_server.__file__), "services/api/api.yaml")) as file:
    schema = yaml.safe_load(file)["definitions"]["KernelSpecFile"]
known = {*schema["properties"], "metadata", "interrupt_mode", "kernel_protocol_version"}
for path in sys.argv[1:]:
    with open(path) as file:
        spec = json.load(file)
    jsonschema.validate(spec, schema)
    if unknown := set(spec) - known:
        sys.exit(f"{path}: unknown keys {unknown}")
    read = KernelSpec.from_resource_dir(os.path.dirname(path))
    if read.argv != spec["argv"] or read.language != spec["language"]:
        sys.exit(f"{path}: read as another one")
print("checked", len(sys.argv) - 1)
