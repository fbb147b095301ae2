"""A kernel provisioner of Jupyter that puts jupyter-vault's launcher before every kernel.

With JUPYTER_DEFAULT_PROVISIONER_NAME=vault-provisioner in the environment of whatever starts kernels
(a server, nbclient, papermill, jupyter console), each kernelspec gets secrets, and no file is edited.
"""

import os
import shutil
import sysconfig

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Unicode

NAME = "jupyter-vault"


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
        if not any(os.path.basename(word) == NAME for word in command):
            kwargs["cmd"] = [*self._launcher_command(), "--", *command]
        return kwargs

    def _launcher_command(self):
        launcher = self.launcher or os.path.join(sysconfig.get_path("scripts"), NAME)
        if not os.access(launcher, os.X_OK):
            launcher = shutil.which(self.launcher or NAME)
        if not launcher:
            raise FileNotFoundError(f"{NAME} is not installed: set VaultProvisioner.launcher to its path")
        settings = self.vault_toml
        if not settings:
            beside = os.path.join(self.kernel_spec.resource_dir, "vault.toml")
            settings = beside if os.path.exists(beside) else None
        return [launcher, "exec", *(["--config", settings] if settings else [])]
