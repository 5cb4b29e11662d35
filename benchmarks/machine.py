"""What was measured on: processor, cores, vector instructions, versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("handgrad", "numpy", "torch", "jax", "scikit-learn")
VECTORS = ("avx512f", "avx2", "fma", "asimd")


def describe() -> dict[str, str]:
    """Names and values, for the report."""
    info = cpu_info()
    flags = info.get("flags", info.get("Features", "")).split()
    return {
        "processor": info.get("model name", platform.machine()),
        "cores": str(os.cpu_count()),
        "vectors": ", ".join(name for name in VECTORS if name in flags),
        "python": platform.python_version(),
    } | {name: found for name in PACKAGES if (found := installed(name))}


def busy_seconds() -> float:
    """Processor time that was not idle since the machine started, of all programs together."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _, _, *others = map(int, fields)
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def seconds_of(process: int) -> float:
    """Processor time of one process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_info() -> dict[str, str]:
    """The first processor's lines in /proc/cpuinfo."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().split("\n\n")[0].splitlines() if path.exists() else []
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
