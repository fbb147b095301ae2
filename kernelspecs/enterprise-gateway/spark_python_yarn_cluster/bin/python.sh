#!/bin/sh
# Python with secrets, in a container of YARN: what run.sh sent along is in the working folder.
exec ./jupyter-vault exec --config ./vault.toml -- "${VAULTED_PYTHON:-/opt/conda/bin/python}" "$@"
