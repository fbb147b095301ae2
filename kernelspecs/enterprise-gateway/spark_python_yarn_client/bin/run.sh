#!/usr/bin/env bash
# Spark in YARN's client mode: the driver is the kernel, on this host, and gets the secrets; executors on other hosts do not.
#
# Unlike Enterprise Gateway's own run.sh, this does not evaluate KERNEL_* variables, which a client sets.
set -euo pipefail
folder="$(cd "$(dirname "$0")/.." && pwd)"

as_user=()
if [ "${EG_IMPERSONATION_ENABLED:-False}" = "True" ]; then
  as_user=(sudo "PATH=$PATH" -H -E -u "${KERNEL_USERNAME:?no user to start the kernel for}" --)
fi
read -r -a options <<<"${SPARK_OPTS:-} ${KERNEL_EXTRA_SPARK_OPTS:-}" || true

# The launcher is after sudo, so that it runs as the user, and before spark-submit, whose children inherit the secrets.
exec "${as_user[@]}" \
  /usr/local/bin/jupyter-vault exec --config "$folder/vault.toml" -- \
  "${SPARK_HOME:?SPARK_HOME must name a Spark distribution}/bin/spark-submit" \
  --master "${SPARK_MASTER:-yarn}" --deploy-mode client --name "${KERNEL_ID:?no kernel id}" "${options[@]}" \
  "$folder/scripts/launch_ipykernel.py" "$@"
