"""`python -m jupyter_vault …`: executes the launcher in the same process."""

import os
import sys

from .launcher import NAME, find


def main():
    launcher = find()
    if not launcher:
        sys.stderr.write(f"jupyter-vault: the program {NAME} is not installed beside this Python ({sys.executable})\n")
        sys.stderr.write("  install it: pip install jupyter-vault, or put it on PATH\n")
        return 127
    os.execv(launcher, [launcher, *sys.argv[1:]])


sys.exit(main())
