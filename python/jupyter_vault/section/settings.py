"""What a site can set: `c.VaultSection.… = …` in jupyter_server_config.py."""

import os

from traitlets import Float, Unicode
from traitlets.config import Configurable

from ..launcher import NAME, find
from .program import Program


class VaultSection(Configurable):
    """The Secrets section's settings."""

    launcher = Unicode(help="The program's path. Without it: the one that came with this package.", config=True)
    vault_toml = Unicode(
        help="The program's --config. Without it: vault.toml in the places where the program looks.", config=True
    )
    suffix = Unicode(
        help="What stands behind the names of kernels that get secrets, in the lists of this server.", config=True
    )
    connector = Unicode(
        help="Where jupyter-secrets-manager keeps the secrets of other extensions: one KV secret of its own, as "
        "MOUNT/PATH. Their values go to the browser. Empty: nowhere.",
        config=True,
    )
    timeout = Float(30.0, help="How long the program may take for a request, in seconds.", config=True)
    queue_timeout = Float(10.0, help="How long a request waits for a turn, in seconds.", config=True)

    def program(self, server):
        """The program as these settings have it."""
        return Program(
            find(self.launcher) or self.launcher or NAME,
            os.path.expanduser(self.vault_toml),
            # Where this server's kernels are, also if a flag named another folder.
            dict(os.environ, JUPYTER_RUNTIME_DIR=server.runtime_dir),
            self.timeout,
            self.queue_timeout,
        )
