"""The server side of JupyterLab's Secrets section: an extension of jupyter_server.

Each request runs the program once, with a value on its standard input and JSON on its standard output.
Nothing of a request stays in the server's memory. The configuration file in the wheel enables it, where
there is a jupyter_server; nothing else imports it.
"""


def _jupyter_server_extension_points():
    return [{"module": "jupyter_vault.section"}]


def _load_jupyter_server_extension(server):
    from jupyter_client.provisioning import KernelProvisionerFactory
    from jupyter_server.utils import url_path_join

    from .connector import ACTIONS, Connector, ConnectorHandler
    from .handlers import handlers
    from .settings import VaultSection
    from .suffix import mark

    settings = VaultSection(parent=server)
    default = KernelProvisionerFactory.instance(parent=server).default_provisioner_name
    mark(server.kernel_spec_manager, settings.suffix, default)
    program = settings.program(server)
    shared = server.web_app.settings
    server.web_app.add_handlers(".*$", handlers(shared["base_url"], program))
    if settings.connector:
        place = url_path_join(shared["base_url"], "jupyter-vault", "connector", f"({ACTIONS})")
        own = {"connector": Connector(program, settings.connector)}
        server.web_app.add_handlers(".*$", [(place, ConnectorHandler, own)])
        # The page learns that when it is loaded.
        shared.setdefault("page_config_data", {})["vaultConnector"] = "true"
    server.log.info("jupyter_vault: the Secrets section is ready")
