"""Finds the launcher: pip installs programs in two places."""

import os
import shutil
import site
import sys

NAME = "jupyter-vault"


def find(named=None):
    """The configured launcher, or else this package's, or else the one on PATH."""
    if named:
        return shutil.which(os.path.expanduser(named))
    folders = [os.path.join(sys.prefix, "bin"), os.path.join(site.getuserbase(), "bin")]
    return shutil.which(NAME, path=os.pathsep.join(folders)) or shutil.which(NAME)
