#!/bin/sh
# Python with secrets in a YARN container: the files that run.sh passes on are in the working folder.
exec ./jupyter-vault exec --config ./vault.toml -- "${VAULTED_PYTHON:-/opt/conda/bin/python}" "$@"
