"""The Python part of jupyter-vault: a kernel provisioner, the launcher as a module, and `%secrets` for notebooks.

`python -m jupyter_vault exec -- …` is the launcher itself, for front ends that start a kernelspec with a Python
of their own. Jupyter's packages are imported only when they are used, because the launcher runs before each kernel.
"""


def __getattr__(name):
    if name == "VaultProvisioner":
        from .provisioner import VaultProvisioner

        return VaultProvisioner
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell):
    """`%load_ext jupyter_vault`."""
    from .magic import load

    load(shell)


def unload_ipython_extension(shell):
    """`%unload_ext jupyter_vault`."""
    from .magic import unload

    unload(shell)
