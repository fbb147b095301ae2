"""The user's running kernels for the page, without a Jupyter server that knows their notebooks."""

import os

from ..section.program import Refused


class Kernels:
    """The kernels of this machine."""

    def __init__(self, program):
        self._program = program

    async def running(self):
        """Each kernel's id, its notebook's path or else its kernelspec, and whether that is a notebook."""
        try:
            kernels = await self._program.kernels()
        except Refused:
            # Secrets are listed anyway.
            return []
        return [_shown(kernel) for kernel in kernels]

    async def named(self, kernel):
        """The connection file of a kernel; None if it does not run."""
        files = (running["connection_file"] for running in await self._program.kernels())
        return next((file for file in files if _stem(file) == kernel), None)

    def notebook(self, path):
        """A notebook's path, as in its kernel's JPY_SESSION_NAME."""
        return path


def _shown(kernel):
    stem = _stem(kernel["connection_file"])
    notebook = _notebook(kernel["pid"])
    about = f"{kernel['kernelspec'] or 'kernel'} ({kernel['pid'] or stem})"
    return {"id": stem, "path": notebook or about.replace("/", " "), "notebook": notebook is not None}


def _stem(file):
    return os.path.splitext(os.path.basename(file))[0]


def _notebook(pid):
    """The kernel's JPY_SESSION_NAME, which a Jupyter server sets; editors do not."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as entries:
            names = [entry.partition(b"=") for entry in entries.read().split(b"\0")]
    except OSError:
        return None
    path = next((value for name, _, value in names if name == b"JPY_SESSION_NAME"), b"")
    text = path.decode("utf-8", "replace")
    return text if text.startswith("/") and text.endswith(".ipynb") else None
