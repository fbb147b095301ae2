# A kernel image for Enterprise Gateway on Kubernetes or Docker (kernelspecs/enterprise-gateway).
#   docker build -f enterprise-gateway.Dockerfile -t registry.example.org/kernel-py-vault:3.3.0 .
# Beside this file: jupyter-vault (cargo build --release --no-default-features), and vault.toml.
FROM elyra/kernel-py:3.3.0

USER root
COPY --chmod=0755 jupyter-vault /usr/local/bin/jupyter-vault
COPY --chmod=0644 vault.toml /etc/jupyter/vault.toml
# After bootstrap-kernel.sh, which prints its environment to the container's log.
RUN sed -i 's|^\([[:space:]]*\)python ${KERNEL_LAUNCHERS_DIR}|\1jupyter-vault exec --config /etc/jupyter/vault.toml -- python ${KERNEL_LAUNCHERS_DIR}|' /usr/local/bin/bootstrap-kernel.sh && grep -q "jupyter-vault exec" /usr/local/bin/bootstrap-kernel.sh
USER jovyan
