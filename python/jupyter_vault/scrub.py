"""Keeps secrets out of saved notebooks: a hook of jupyter_server's contents manager.

It is off unless `VaultScrub.on_save` sets what happens to a notebook that contains one of the user's secrets: `refuse`
does not save it and reports where the secrets are, `replace` saves it without them, `warn` saves it and writes to the
server's log where they are. `jupyter-vault scrub` searches the notebook, so this process only has the values that are
in the notebook itself.
"""

import json
import os
import subprocess

from tornado.web import HTTPError
from traitlets import Enum, Float, List, Unicode
from traitlets.config import LoggingConfigurable

from .launcher import NAME, find

FOUND = 88


class VaultScrub(LoggingConfigurable):
    """What happens to a user's secrets in a notebook that is saved."""

    on_save = Enum(
        ["off", "refuse", "replace", "warn"],
        "off",
        help="What happens to a notebook that contains a secret: refuse, replace or warn. Off: it is not searched.",
        config=True,
    )
    on_error = Enum(
        ["save", "refuse"],
        "save",
        help="What happens to a notebook that can't be searched, such as while Vault is unreachable: save or refuse.",
        config=True,
    )
    ignore = List(Unicode(), help="Names of secrets that are not searched for.", config=True)
    launcher = Unicode(help="The program's path. By default this package's.", config=True)
    vault_toml = Unicode(
        help="The program's --config. By default vault.toml in the usual places.", config=True
    )
    timeout = Float(5.0, help="How long a save may wait, in seconds.", config=True)

    def hook(self, model, path, contents_manager, **_):
        """Searches a notebook before it is saved."""
        if self.on_save == "off" or model.get("type") != "notebook" or not isinstance(model.get("content"), dict):
            return
        replaces = self.on_save == "replace"
        try:
            text = json.dumps(model["content"]).encode()
            code, content, errors = self._run(text, replaces)
            if code not in (0, FOUND):
                raise Failed(_error_of(errors))
            report = json.loads(errors)
        except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as cause:
            # The text of another error may quote the notebook.
            why = str(cause) if isinstance(cause, Failed) else type(cause).__name__
            self._not_searched(path, why)
            return
        found = [place for notebook in report["notebooks"] for place in notebook["found"]]
        if not found:
            return
        where = "; ".join(_place(place) for place in found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
        if self.on_save == "refuse":
            raise HTTPError(
                400, f"Not saved: {path} contains secrets ({where})", reason=f"Not saved, it contains secrets: {_line(where)}"
            )
        if replaces:
            model["content"] = json.loads(content)
            self.log.warning("jupyter_vault: removed secrets from %s: %s", path, where)
        else:
            self.log.warning("jupyter_vault: %s was saved with secrets in it: %s", path, where)

    def _run(self, text, replaces):
        command = [find(self.launcher) or self.launcher or NAME, "scrub", "--json"]
        command += [] if replaces else ["--check"]
        # Vault's time limit is shorter, so that the program can report what went wrong.
        command += [f"--timeout={max(self.timeout * 0.8, 0.1):g}"]
        command += [f"--except={name}" for name in self.ignore]
        command += [f"--config={os.path.expanduser(self.vault_toml)}"] if self.vault_toml else []
        done = subprocess.run([*command, "--", "-"], input=text, capture_output=True, timeout=self.timeout, check=False)
        if replaces:
            return done.returncode, done.stdout, done.stderr
        return done.returncode, b"", done.stdout if done.returncode in (0, FOUND) else done.stderr

    def _not_searched(self, path, why):
        if self.on_error == "refuse":
            raise HTTPError(
                503, f"Not saved: {path} could not be searched ({why})", reason=f"Not saved: {_line(why)}"
            )
        self.log.warning("jupyter_vault: %s was saved without a search for secrets: %s", path, why)


class Failed(Exception):
    """The program's error for a notebook that it could not search."""


def _error_of(text):
    lines = text.decode("utf-8", "replace").strip().splitlines()
    begins = [at for at, line in enumerate(lines) if line.startswith("jupyter-vault: ")]
    return " ".join(line.strip() for line in lines[begins[-1] :]) if begins else "the program failed"


def _line(text):
    """A text as an HTTP reason: one line of latin-1."""
    return text.encode("latin-1", "replace").decode("latin-1").replace("\r", " ").replace("\n", " ")[:300]


def _place(place):
    if place["cell"] is None:
        return f"{place['name']} in the metadata"
    part = place["part"] if place["output"] is None else f"output {place['output']}"
    return f"{place['name']} in cell {place['cell']}, {part}"


def _jupyter_server_extension_points():
    return [{"module": "jupyter_vault.scrub"}]


def _load_jupyter_server_extension(server):
    scrub = VaultScrub(parent=server)
    if scrub.on_save == "off":
        return
    server.contents_manager.register_pre_save_hook(scrub.hook)
    server.log.info("jupyter_vault: notebooks are searched for secrets when they are saved (%s)", scrub.on_save)
