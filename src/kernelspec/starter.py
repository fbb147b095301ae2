# Whether Jupyter's provisioner of that name starts a local process: "local", "other" or "missing".
import json
from importlib.metadata import entry_points

NAME = json.loads(%s)
found = entry_points()
group = "jupyter_client.kernel_provisioners"
found = found.select(group=group) if hasattr(found, "select") else found.get(group, [])
entry = next((entry for entry in found if entry.name == NAME), None)
answer = "missing"
if entry is not None:
    try:
        from jupyter_client.provisioning import LocalProvisioner

        answer = "local" if issubclass(entry.load(), LocalProvisioner) else "other"
    except Exception:
        answer = "other"
print(json.dumps(answer))
