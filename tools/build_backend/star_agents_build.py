"""The build backend (PEP 517, PEP 660): setuptools, after the page's chart library was put in place.

A wheel without its charts would be broken for whoever installs it, so it is not built. An editable install is for
someone at work on the code, perhaps on a train: it goes on with a warning, and the page shows tables for charts.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from setuptools import build_meta
from uplot import CannotFetch, put_in_place

Settings = Mapping[str, Any] | None

get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
get_requires_for_build_wheel = build_meta.get_requires_for_build_wheel
get_requires_for_build_editable = build_meta.get_requires_for_build_editable
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
build_sdist = build_meta.build_sdist


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """Build the wheel, charts included.

    Raises:
        SystemExit: the charts cannot be had; says what to do.
    """
    try:
        put_in_place()
    except CannotFetch as error:
        raise SystemExit(f"error: {error}") from None
    name: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build the editable wheel; without charts where they cannot be had."""
    try:
        put_in_place()
    except CannotFetch as error:
        print(f"warning: {error}. Until then the page shows its charts as tables", file=sys.stderr)
    name: str = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    return name
