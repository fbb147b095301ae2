"""For a gateway whose users send their own credentials: gives each request a separate environment.

Kernel Gateway 3.0.1 and Enterprise Gateway 3.3.0 keep the variables of one request for a later one that brings no
`env`, when two starts overlapped. That client gets a kernel with another user's credential. This gives every
request an `env`, if only an empty one.

Put it into jupyter_kernel_gateway_config.py or jupyter_enterprise_gateway_config.py (`jupyter --paths` says where).
"""

import importlib

for name in ("kernel_gateway", "enterprise_gateway"):
    try:
        handlers = importlib.import_module(f"{name}.services.kernels.handlers")
    except ImportError:
        continue

    def with_an_environment(self, ours=handlers.MainKernelHandler.get_json_body):
        model = ours(self)
        if model is None:
            model = {}
        if isinstance(model, dict):
            model.setdefault("env", {})
        return model

    handlers.MainKernelHandler.get_json_body = with_an_environment
