"""Where the launcher is: pip has two places for programs."""

import os
import shutil
import site
import sys

NAME = "jupyter-vault"


def find(named=None):
    """The launcher that is named, or else the one that came with this package, or else the one on PATH."""
    if named:
        return shutil.which(os.path.expanduser(named))
    folders = [os.path.join(sys.prefix, "bin"), os.path.join(site.getuserbase(), "bin")]
    return shutil.which(NAME, path=os.pathsep.join(folders)) or shutil.which(NAME)
