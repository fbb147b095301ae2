"""The settings of a site: `c.VaultSection.… = …` in jupyter_server_config.py."""

import os

from traitlets import Float, Unicode
from traitlets.config import Configurable

from ..launcher import NAME, find
from .program import Program


class VaultSection(Configurable):
    """The Secrets section's settings."""

    launcher = Unicode(help="The program's path. By default this package's.", config=True)
    vault_toml = Unicode(
        help="The program's --config. By default vault.toml in the usual places.", config=True
    )
    suffix = Unicode(
        help="A text to append to the names of kernels that get secrets, in this server's lists.", config=True
    )
    connector = Unicode(
        help="Where jupyter-secrets-manager stores the secrets of other extensions: a separate KV secret, as "
        "MOUNT/PATH. Their values are sent to the browser. Empty: nowhere.",
        config=True,
    )
    timeout = Float(30.0, help="How long the program may take for a request, in seconds.", config=True)
    queue_timeout = Float(10.0, help="How long a request may wait for its turn, in seconds.", config=True)

    def program(self, server):
        """The program with these settings."""
        return Program(
            find(self.launcher) or self.launcher or NAME,
            os.path.expanduser(self.vault_toml),
            # The runtime folder of this server's kernels, even if a flag set another one.
            dict(os.environ, JUPYTER_RUNTIME_DIR=server.runtime_dir),
            self.timeout,
            self.queue_timeout,
        )
