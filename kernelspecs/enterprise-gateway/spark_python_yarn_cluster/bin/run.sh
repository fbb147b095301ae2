#!/usr/bin/env bash
# Spark in YARN's cluster mode: driver and executors run in containers on other hosts. Variables set here do not reach
# them. So python.sh, which is passed on with the job, starts each Python process there, and fetches its secrets.
set -euo pipefail
folder="$(cd "$(dirname "$0")/.." && pwd)"

as_user=()
if [ "${EG_IMPERSONATION_ENABLED:-False}" = "True" ]; then
  as_user=(--proxy-user "${KERNEL_USERNAME:?no user to start the kernel for}")
fi
read -r -a options <<<"${SPARK_OPTS:-} ${KERNEL_EXTRA_SPARK_OPTS:-}" || true

exec "${SPARK_HOME:?SPARK_HOME must name a Spark distribution}/bin/spark-submit" \
  --master "${SPARK_MASTER:-yarn}" --deploy-mode cluster --name "${KERNEL_ID:?no kernel id}" \
  --files "$folder/bin/python.sh,$folder/vault.toml,/usr/local/bin/jupyter-vault" \
  --conf spark.pyspark.python=./python.sh --conf spark.yarn.maxAppAttempts=1 \
  --conf spark.yarn.submit.waitAppCompletion=false "${options[@]}" "${as_user[@]}" \
  "$folder/scripts/launch_ipykernel.py" "$@"
