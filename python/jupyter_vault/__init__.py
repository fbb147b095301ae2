"""A kernel provisioner of Jupyter that puts jupyter-vault's launcher before every kernel.

With JUPYTER_DEFAULT_PROVISIONER_NAME=vault-provisioner in the environment of whatever starts kernels
(a server, nbclient, papermill, jupyter console), each kernelspec gets secrets, and no file is edited.
"""

import os
import shutil
import site
import sysconfig

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Unicode

NAME = "jupyter-vault"


def _has_launcher(command):
    """As `wrap` recognises it: as a word, as `jupyter vault`, or in a shell's line."""
    words = [word.strip("\"'") for argument in command for word in argument.split()]
    names = [os.path.basename(word) for word in words]
    return any(
        (name.startswith(NAME) and rest[:1] == ["exec"]) or (name == "jupyter" and rest == ["vault", "exec"])
        for name, rest in ((name, words[at + 1 : at + 3]) for at, name in enumerate(names))
    )


class VaultProvisioner(LocalProvisioner):
    """Starts kernels as LocalProvisioner does, through the launcher."""

    launcher = Unicode(help="The launcher's path.", config=True)
    vault_toml = Unicode(
        help="The launcher's --config. Without it: the vault.toml beside kernel.json, if there is one.",
        config=True,
    )

    async def pre_launch(self, **kwargs):
        """Put the launcher before the command, unless one stands there already."""
        kwargs = await super().pre_launch(**kwargs)
        command = kwargs["cmd"]
        if not _has_launcher(command):
            kwargs["cmd"] = [*self._launcher_command(), "--", *command]
        return kwargs

    def _launcher_command(self):
        launcher = self._launcher()
        if not launcher:
            raise FileNotFoundError(f"{self.launcher or NAME} is no program: set VaultProvisioner.launcher to its path")
        settings = os.path.expanduser(self.vault_toml)
        if not settings:
            beside = os.path.join(self.kernel_spec.resource_dir, "vault.toml")
            settings = beside if os.path.exists(beside) else None
        return [launcher, "exec", *(["--config", settings] if settings else [])]

    def _launcher(self):
        """The launcher that is named, or else the one that came with this package: pip has two places for programs."""
        if self.launcher:
            return shutil.which(os.path.expanduser(self.launcher))
        folders = [sysconfig.get_path("scripts"), os.path.join(site.getuserbase(), "bin")]
        return shutil.which(NAME, path=os.pathsep.join(folders)) or shutil.which(NAME)
