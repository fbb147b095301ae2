"""Builds the Secrets section for JupyterLab and as a separate page, in the folders that the wheel includes.

Needs npm (with Node.js 20 or later) and the program jupyter-builder, which comes with JupyterLab.
"""

import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "section")
SHARE = os.path.join(HERE, "wheel", "data", "share", "jupyter")
BUILT = os.path.join(SHARE, "labextensions", "jupyter-vault")
PAGE = os.path.join(SHARE, "jupyter-vault")


def run(*command):
    """Runs one step; its output goes to standard error, because standard output is for the build backend's answer."""
    subprocess.run(command, cwd=HERE, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def program(name):
    """A program beside this Python, or else on PATH."""
    found = shutil.which(name, path=os.path.dirname(sys.executable)) or shutil.which(name)
    if not found:
        sys.exit(f"{name} is not installed, and the Secrets section is built by it")
    return found


def install(npm):
    """Installs the locked packages, unless an earlier build has installed the same ones."""
    with open(os.path.join(HERE, "package-lock.json"), "rb") as lock:
        wanted = hashlib.sha256(lock.read()).hexdigest()
    stamp = os.path.join(HERE, "node_modules", ".installed")
    if os.path.exists(stamp):
        with open(stamp) as text:
            if text.read() == wanted:
                return
    run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    with open(stamp, "w") as text:
        text.write(wanted)


def build():
    """Builds the section from its source and the locked packages."""
    npm = program("npm")
    install(npm)
    for built in (BUILT, PAGE, os.path.join(HERE, "lib")):
        shutil.rmtree(built, ignore_errors=True)
    run(npm, "run", "--silent", "build:lib")
    run(npm, "run", "--silent", "build:page")
    run(program("jupyter-builder"), "build", ".")


if __name__ == "__main__":
    build()
