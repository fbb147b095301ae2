"""Provisioners of another package: one that starts kernels here, and one elsewhere."""

from jupyter_client.provisioning import KernelProvisionerBase, LocalProvisioner


class Own(LocalProvisioner):
    async def pre_launch(self, **kwargs):
        kwargs = await super().pre_launch(**kwargs)
        kwargs["env"]["OWN"] = "yes"
        return kwargs


class Elsewhere(KernelProvisionerBase):
    pass
