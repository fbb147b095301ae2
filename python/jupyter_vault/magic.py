"""The IPython extension `jupyter_vault`: `%secrets`, `%secrets refresh`, and a hint for a missing variable.

Before each cell, database sessions that the server has closed are replaced; see `sessions`.

The launcher, `inject` and `watch` leave a record of a kernel's variables in the runtime folder: names, paths and
versions. Only that record is read here. A refresh is requested from the user's own `jupyter-vault watch` by a file in
that folder, so a kernel needs no credential for Vault.
"""

import difflib
import json
import os
import shlex
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from IPython import get_ipython

from . import sessions

TAKES = 2.0
"""How long a `watch` may take to notice a request, in seconds."""
SHOWN = 5
"""How many changes are shown."""
NEVER = ("LD_", "DYLD_", "PYTHON", "IPYTHON", "JUPYTER", "JPY_", "VAULT_", "BAO_", "XDG_")
"""Prefixes of names that are never secrets."""

USAGE = "%secrets shows the secrets that this kernel has from Vault; %secrets refresh requests new values"


def folders():
    """The launcher's folder in Jupyter's runtime folder, and other places where it may be."""
    places = [
        ("JUPYTER_RUNTIME_DIR", ""),
        ("XDG_RUNTIME_DIR", "jupyter"),
        ("JUPYTER_DATA_DIR", "runtime"),
        ("XDG_DATA_HOME", "jupyter/runtime"),
        ("HOME", ".local/share/jupyter/runtime"),
    ]
    return [Path(os.environ[name], rest, "jupyter-vault") for name, rest in places if os.environ.get(name)]


def started(pid):
    """When a process started, in clock ticks since boot; None if it does not exist."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def numbering():
    """The boot and the pid namespace that a pid belongs to."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        return f"{boot}.{''.join(filter(str.isdigit, os.readlink('/proc/self/ns/pid')))}"
    except OSError:
        return None


def is_running(process):
    """Whether the process that a file names runs; a process that can't be seen from here counts as running."""
    if process.get("numbering") not in ("", None, numbering()):
        return True
    return started(process.get("pid")) == process.get("start_time")


def loaded(path):
    """The JSON object in a file, or an empty one."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def record():
    """The record of this process: its path and its content."""
    own = os.getpid()
    for folder in folders():
        for path in folder.glob("kernels/*.json"):
            found = loaded(path)
            if found.get("pid") == own and found.get("start_time") == started(own):
                return path, found
    return elsewhere()


def elsewhere():
    """The record of a sidecar that can't see this process, found by this kernel's session id."""
    kernel = connection_file()
    try:
        session = get_ipython().kernel.session.session
    except Exception:
        return None, {}
    for path in (path for folder in folders() for path in folder.glob("elsewhere/*.json")):
        found = loaded(path)
        if kernel and session and found.get("session") == session:
            moment = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
            noted = {"how": "inject", "at": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}
            return kernel, {**found, **noted}
    return None, {}


def connection_file():
    """This kernel's connection file; None if this process is not a kernel."""
    try:
        from ipykernel.connect import get_connection_file

        return Path(get_connection_file())
    except Exception:
        named = [Path(word) for word in sys.argv[1:] if word.endswith(".json")]
        return named[0] if named else None


def clock(at):
    """A time of the record, in local time."""
    try:
        moment = datetime.fromisoformat(at.replace("Z", "+00:00")).astimezone()
    except ValueError:
        return at
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")


def since(name, found):
    """When a variable was last set, and by which command."""
    for change in reversed(found.get("changes", [])):
        if name in change.get("set", []):
            return f"{clock(change['at'])} by {change['how']}"
    return f"{clock(found.get('at', ''))} by {found.get('how', '')}"


def described(change):
    """One change, as a line."""
    parts = [f"{what}: {', '.join(names)}" for what in ("set", "unset") if (names := change.get(what))]
    if not parts:
        return f"{clock(change['at'])}: nothing changed"
    first, *rest = parts
    what, _, names = first.partition(": ")
    return "; ".join([f"{what} {clock(change['at'])}: {names}", *rest])


class Secrets:
    """The magic and the hint for one shell."""

    def __init__(self):
        self.requested = None

    def magic(self, line):
        """Show the variables that this kernel has from Vault; with `refresh`, request an update."""
        words = line.split()
        if words == ["refresh"]:
            print(self.refresh())
        elif words:
            print(USAGE)
        else:
            print("\n".join(self.shown()))

    def shown(self):
        """The table, the last changes, and the outcome of a refresh."""
        path, found = record()
        if not path:
            kernel = connection_file()
            if kernel is None:
                yield "There is no record for this process: jupyter-vault did not start it as a kernel."
                return
            yield "This kernel has no secrets from Vault."
            yield f"  Give it some now, in a terminal: jupyter-vault inject {kernel_id(kernel)}"
            yield "  Give secrets to every new kernel: jupyter-vault wrap"
            yield from self.outcome(kernel.stem)
            return
        variables = found.get("variables", {})
        if not variables:
            yield "jupyter-vault started this kernel, but Vault had no secrets for it."
        rows = [("name", "from", "version", "since")]
        for name, variable in sorted(variables.items()):
            version = variable.get("version")
            rows.append((name, variable.get("path", ""), "-" if version is None else str(version), since(name, found)))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows if variables else []:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        changes = [change for change in found.get("changes", []) if change.get("how") != "launch"]
        yield from map(described, changes[-SHOWN:])
        ends = found.get("credential_ends")
        if ends and datetime.fromisoformat(ends.replace("Z", "+00:00")).timestamp() - time.time() < 24 * 3600:
            yield f"The login for new kernels expires at {clock(ends)}: log in again before then (jupyter-vault doctor says how)"
        yield from self.outcome(path.stem)

    def outcome(self, stem):
        """The outcome of this kernel's last refresh."""
        if self.requested is None:
            return
        for folder in folders():
            answer = loaded(folder / "refresh" / f"{stem}.json")
            if answer.get("at", "") >= self.requested:
                yield f"refresh {clock(answer['at'])}: {answer.get('text', '')}"
                return
        yield f"refresh {clock(self.requested)}: no answer yet"

    def refresh(self):
        """Sends a request to the user's own `watch`; returns a message."""
        path, _ = record()
        kernel = Path(path) if path else connection_file()
        if kernel is None:
            return "This process is not a kernel, so its variables can't be set while it runs."
        for folder in folders():
            watching = [loaded(file) for file in folder.glob("refresh/watch-*.json")]
            if any(map(is_running, watching)) and self.ask(folder / "refresh", kernel.stem):
                return "Requested. New values are set once this cell has finished; %secrets then shows them."
        return (
            "No `jupyter-vault watch` of this user serves this kernel, so nothing was requested. In a terminal:\n"
            f"  jupyter-vault inject {kernel_id(kernel)}     updates this kernel once\n"
            "  jupyter-vault watch           keeps kernels up to date, and answers %secrets refresh"
        )

    def ask(self, folder, stem):
        """Writes a request, and waits until `watch` has taken it."""
        request = folder / f"{stem}.request"
        moment = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            request.touch(mode=0o600)
        except OSError:
            return False
        end = time.monotonic() + TAKES
        while time.monotonic() < end:
            if not request.exists():
                self.requested = moment
                return True
            time.sleep(0.02)
        request.unlink(missing_ok=True)
        return False

    def after_cell(self, result):
        """Shows a hint for a variable that a cell did not find."""
        name = missing(getattr(result, "error_in_exec", None))
        if name is not None:
            print(hint(name), file=sys.stderr)


def kernel_id(kernel):
    """The argument that names a kernel for `jupyter-vault inject`."""
    return shlex.quote(kernel.stem[len("kernel-") :] if kernel.stem.startswith("kernel-") else str(kernel))


def missing(error):
    """The name of the variable that `os.environ[...]` did not find; None if `error` is another error."""
    if not isinstance(error, KeyError) or not error.args or not isinstance(error.args[0], str):
        return None
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    frame = trace and trace.tb_frame
    if frame is None or frame.f_locals.get("self") is not os.environ:
        return None
    name = error.args[0]
    return None if name.startswith(NEVER) or name in ("PATH", "HOME") or not name else name


def hint(name):
    """A hint for a missing variable."""
    path, found = record()
    if not path:
        return f"{name}: this kernel has no secrets from Vault. %secrets shows how to add them."
    gone = [change for change in found.get("changes", []) if name in change.get("unset", [])]
    if gone:
        return f"{name} was unset {clock(gone[-1]['at'])}, because Vault no longer has it."
    if name in found.get("variables", {}):
        return f"{name} was given to this kernel {since(name, found)}, but is no longer set."
    known = sorted(found.get("variables", {}))
    near = difflib.get_close_matches(name.upper(), [known.upper() for known in known], 1)
    if near:
        return f"{name} is not among this kernel's secrets. Did you mean {next(k for k in known if k.upper() == near[0])}?"
    return (
        f"{name} is not among this kernel's secrets. If Vault has it now: %secrets refresh. "
        f"If not, in a terminal: jupyter-vault secrets set {shlex.quote(name)}"
    )


def load(shell):
    """Adds the magic, the hint and the check of sessions to a shell, once."""
    if getattr(shell, "_jupyter_vault", None) is not None:
        return
    secrets = Secrets()
    shell._jupyter_vault = secrets
    shell.register_magic_function(secrets.magic, "line", "secrets")
    shell.events.register("post_run_cell", secrets.after_cell)
    shell.events.register("pre_run_cell", sessions.renew)


def unload(shell):
    """Removes the magic, the hint and the check of sessions."""
    secrets = getattr(shell, "_jupyter_vault", None)
    if secrets is None:
        return
    shell._jupyter_vault = None
    shell.events.unregister("post_run_cell", secrets.after_cell)
    shell.events.unregister("pre_run_cell", sessions.renew)
    shell.magics_manager.magics["line"].pop("secrets", None)
