"""Marks kernels that get secrets in this server's lists, without changing kernel.json.

`jupyter-vault wrap --suffix` writes into kernel.json. A kernel that gets its secrets by the provisioner alone has
nothing of ours in its file, so its shown name gets the suffix on the way to the front end.
"""

import inspect

from ..provisioner import _has_launcher

OURS = "vault-provisioner"


def gets_secrets(spec, folder, default):
    """Whether a kernelspec's kernel is started through the launcher."""
    named = spec.get("metadata", {}).get("kernel_provisioner", {}).get("provisioner_name") or default
    return named == OURS or _has_launcher(spec.get("argv", []), None, folder)


def mark(manager, suffix, default):
    """Appends `suffix` to those kernels' names in the lists of `manager`; `default` is the default provisioner."""
    listed = manager.get_all_specs
    if not suffix or inspect.iscoroutinefunction(listed):
        # A gateway starts and names its kernels itself.
        return

    def marked():
        found = listed()
        for kernel in found.values():
            spec = kernel.get("spec", {})
            shown = spec.get("display_name", "")
            if not shown.endswith(suffix) and gets_secrets(spec, kernel.get("resource_dir"), default):
                spec["display_name"] = shown + suffix
        return found

    manager.get_all_specs = marked
