"""The provenance of a number is the commit, the versions and the machine that it comes from."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from setclosure.processes import available_cores

PACKAGES = ("setclosure", "torch", "lightning", "numpy", "numba", "zarr", "safetensors", "pydantic")
"""The packages whose versions are recorded, as they may change numbers or files."""


def provenance() -> dict[str, Any]:
    """Give commit, versions, machine and time as JSON values.

    Examples
    --------
    >>> sorted(provenance())
    ['commit', 'dirty', 'machine', 'started', 'versions']
    """
    commit, dirty = _commit()
    return {
        "commit": commit,
        "dirty": dirty,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "machine": {
            "processor": _processor(),
            "cores": available_cores(),
            "memory_gib": _memory_gib(),
            "system": platform.platform(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
    }


def writer(facts: Any) -> str:
    """Give the version of setclosure that wrote a file with these facts, or a question mark.

    Examples
    --------
    >>> writer({"provenance": {"versions": {"setclosure": "0.1"}}}), writer(None)
    ('0.1', '?')
    """
    try:
        return str(facts["provenance"]["versions"]["setclosure"])
    except (KeyError, TypeError):
        return "?"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> tuple[str | None, bool | None]:
    """Give the commit of the source tree that this package is imported from, and whether files differ from it."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if "src/setclosure/provenance.py" not in git("ls-files", "--full-name", "provenance.py"):
            return None, None  # an installed copy inside somebody else's repository
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
