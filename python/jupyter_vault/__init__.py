"""The Python side of jupyter-vault: a kernel provisioner, and the launcher as a module.

`python -m jupyter_vault exec -- …` is the launcher itself, for front ends that start a kernelspec with a Python
of their own. Nothing of Jupyter is imported before it is used: that module stands before a kernel.
"""


def __getattr__(name):
    if name == "VaultProvisioner":
        from .provisioner import VaultProvisioner

        return VaultProvisioner
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
