"""The server of `jupyter-vault ui`, which starts it with these arguments; users do not."""

import argparse
import asyncio
import os
import site
import sys

PAGE = os.path.join("share", "jupyter", "jupyter-vault", "page")


def find():
    """Finds the page's files: pip installs a wheel's data in the environment, or in the user's folder."""
    folders = [os.path.join(prefix, PAGE) for prefix in (sys.prefix, site.getuserbase(), "/usr/local")]
    return next((folder for folder in folders if os.path.exists(os.path.join(folder, "page.js"))), None)


def main():
    """Shows the page; returns the exit code."""
    parser = argparse.ArgumentParser(prog="jupyter-vault ui", allow_abbrev=False)
    parser.add_argument("--program", required=True)
    parser.add_argument("--config")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--socket")
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--idle", type=float, required=True)
    options = parser.parse_args()
    try:
        from .server import NotPossible, serve
    except ImportError as missing:
        return refuse(
            f"the page needs the Python package {missing.name}, which {sys.executable} does not have",
            f"install it: {sys.executable} -m pip install tornado",
        )
    folder = find()
    if not folder:
        return refuse(
            "the page's files are not installed beside this Python", "install the wheel: pip install jupyter-vault"
        )
    try:
        asyncio.run(serve(options, folder))
    except NotPossible as refused:
        return refuse(*refused.args)
    except KeyboardInterrupt:
        pass
    return 0


def refuse(what, advice):
    """Prints an error in the program's format."""
    sys.stderr.write(f"jupyter-vault: {what}\n  {advice}\n")
    return 71


sys.exit(main())
