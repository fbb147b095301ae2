"""Reads the folder given as argument, `examples`; checks its manifests by Kubernetes' schemas and parses its Dockerfiles.

Prints JSON for the rest of the test: each manifest's documents, each Dockerfile's instructions.
"""

import io
import json
import pathlib
import sys

import kubernetes_validate
import yaml
from dockerfile_parse import DockerfileParser

examples = pathlib.Path(sys.argv[1])
seen = {"documents": [], "dockerfiles": {}}
for path in sorted((examples / "kubernetes").glob("*.yaml")):
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, "1.37", strict=True)
        seen["documents"].append({"file": path.name, **document})
for path in sorted((examples / "docker").glob("*Dockerfile")):
    parser = DockerfileParser(fileobj=io.BytesIO(path.read_bytes()))
    seen["dockerfiles"][path.name] = [{"do": step["instruction"], "value": step["value"]} for step in parser.structure]
json.dump(seen, sys.stdout)
