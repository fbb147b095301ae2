"""A Jupyter kernel provisioner that puts jupyter-vault's launcher before every kernel.

With JUPYTER_DEFAULT_PROVISIONER_NAME=vault-provisioner in the environment of the program that starts kernels
(a server, nbclient, papermill, jupyter console), each kernelspec gets secrets, and no file is edited.

The default does not apply to a kernelspec that names its own provisioner. If that one is a LocalProvisioner too, the
kernelspec can name this one instead, which delegates to it:

    "metadata": {"kernel_provisioner": {"provisioner_name": "vault-provisioner",
                                        "config": {"delegate": "its-own-provisioner"}}}
"""

import json
import os
import shlex

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Unicode

from .launcher import NAME, find

RECORD = "jupyter-vault.json"


def _has_launcher(command, launcher, folder):
    """Recognises a launcher like `wrap`: by its record, by the program, by name, or in a shell command."""
    written = _written(folder)
    if "exec" in written:
        # The words up to `exec` distinguish it from the kernel's own command.
        call = written[: written.index("exec") + 1]
        if any(command[at : at + len(call)] == call for at in range(len(command))):
            return True
    words = [word for argument in command for word in _words(argument)]
    return any(
        words[at] == "exec"
        and (
            os.path.basename(words[at - 1]).startswith(NAME)
            or _is_same(words[at - 1], launcher)
            or (words[at - 1] == "vault" and os.path.basename(words[at - 2]) == "jupyter")
            or (words[at - 1] == "jupyter_vault" and words[at - 2] == "-m")
        )
        for at in range(1, len(words))
    )


def _words(argument):
    try:
        return shlex.split(argument)
    except ValueError:
        return [word.strip("\"'") for word in argument.split()]


def _written(folder):
    try:
        with open(os.path.join(folder or "", RECORD), encoding="utf-8") as file:
            return json.load(file).get("launcher") or []
    except (OSError, ValueError, AttributeError):
        return []


def _is_same(word, launcher):
    return bool(launcher) and os.path.sep in word and os.path.realpath(word) == os.path.realpath(launcher)


class _Launching:
    """Puts the launcher before the command that a LocalProvisioner will start."""

    async def pre_launch(self, **kwargs):
        kwargs = await super().pre_launch(**kwargs)
        command = kwargs["cmd"]
        launcher = find(self.launcher)
        if _has_launcher(command, launcher, self.kernel_spec.resource_dir):
            return kwargs
        if not launcher:
            raise FileNotFoundError(f"{self.launcher or NAME} is not a program: set VaultProvisioner.launcher to its path")
        _check_program(command[0], kwargs)
        kwargs["cmd"] = [launcher, "exec", *self._settings(), "--", *command]
        return kwargs

    def _settings(self):
        settings = os.path.expanduser(self.vault_toml)
        if not settings:
            beside = os.path.join(self.kernel_spec.resource_dir or "", "vault.toml")
            settings = beside if os.path.exists(beside) else None
        return ["--config", settings] if settings else []


def _check_program(program, kwargs):
    """Raises Popen's error for a program that does not exist or can't be executed. Jupyter then fails at once,
    while it would restart a launcher that exits with an error again and again."""
    folder = kwargs.get("cwd") or os.curdir
    places = [""] if os.path.dirname(program) else os.get_exec_path(kwargs.get("env") or os.environ)
    refused = False
    for place in places:
        # The child searches relative to its own working directory, also for an empty entry of PATH.
        whole = os.path.join(folder, place, program)
        if not os.path.exists(whole):
            continue
        if os.path.isdir(whole) or not os.access(whole, os.X_OK):
            refused = True
        elif (interpreter := _interpreter(whole)) is None or os.path.exists(os.path.join(folder, interpreter)):
            return
    if refused:
        raise PermissionError(13, "Permission denied", program)
    raise FileNotFoundError(2, "No such file or directory", program)


def _interpreter(script):
    """The interpreter that a script's first line names."""
    try:
        with open(script, "rb") as file:
            line = file.readline(256)
    except OSError:
        return None
    words = line[2:].split()
    return os.fsdecode(words[0]) if line.startswith(b"#!") and words else None


class VaultProvisioner(_Launching, LocalProvisioner):
    """Starts kernels through the launcher, like LocalProvisioner or the provisioner that `delegate` names."""

    launcher = Unicode(help="The launcher's path.", config=True)
    vault_toml = Unicode(
        help="The launcher's --config. By default the vault.toml beside kernel.json, if there is one.",
        config=True,
    )
    delegate = Unicode(help="The provisioner to delegate to, by the name of its entry point.", config=True)

    def __new__(cls, *args, delegate="", **kwargs):
        if not delegate or cls is not VaultProvisioner:
            return super().__new__(cls, *args, **kwargs)
        return _delegating(delegate)(*args, **kwargs)


def _delegating(name):
    """VaultProvisioner combined with the provisioner called `name`."""
    from importlib.metadata import entry_points

    group = "jupyter_client.kernel_provisioners"
    found = entry_points()
    found = found.select(group=group) if hasattr(found, "select") else found.get(group, [])
    other = next((entry.load() for entry in found if entry.name == name), None)
    if other is None:
        raise RuntimeError(f"there is no kernel provisioner called {name!r}: correct `delegate` in the kernelspec")
    if not issubclass(other, LocalProvisioner):
        raise RuntimeError(f"the kernel provisioner {name!r} starts no local process, so the launcher can't be used with it")
    traits = {trait: VaultProvisioner.class_traits()[trait] for trait in ("launcher", "vault_toml")}
    members = {name: type(trait)(help=trait.help, config=True) for name, trait in traits.items()}
    return type(f"Vault{other.__name__}", (_Launching, other), members)
