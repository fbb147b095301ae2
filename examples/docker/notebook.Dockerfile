# A notebook image with wrapped kernelspecs, so that all its kernels get their user's secrets.
#   docker build -f notebook.Dockerfile -t registry.example.org/notebook-vault .
# Beside this file: jupyter-vault (cargo build --release), and vault.toml. Neither holds a credential: the user who runs the
# image provides one, such as a service account on Kubernetes (../kubernetes/notebook.yaml).
FROM quay.io/jupyter/minimal-notebook:2026-10-05

USER root
COPY --chmod=0755 jupyter-vault /usr/local/bin/jupyter-vault
COPY --chmod=0644 vault.toml /etc/jupyter/vault.toml
RUN jupyter-vault wrap --all --sys-prefix
USER ${NB_UID}
