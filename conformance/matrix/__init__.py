"""Version matrices: one YAML file says which testees, which versions and which guests; each cell is one run.

_read says what the file means, _cell one cell; _plan says which cells are to be run, _job runs one and writes its
record, _earlier keeps the one before, and _session makes them pytest items, which pytest-xdist runs in parallel.
_table shows records, _github is the matrix of a workflow.
"""

from __future__ import annotations

from endianproof.conformance.matrix._cell import HOST, Cell
from endianproof.conformance.matrix._earlier import Earlier
from endianproof.conformance.matrix._error import MatrixError
from endianproof.conformance.matrix._github import github_matrix
from endianproof.conformance.matrix._job import Job
from endianproof.conformance.matrix._plan import Plan, damaged_records, make_plan, read_records
from endianproof.conformance.matrix._read import Matrix, read_matrix
from endianproof.conformance.matrix._session import run_jobs
from endianproof.conformance.matrix._table import table

__all__ = [
    "HOST",
    "Cell",
    "Earlier",
    "Job",
    "Matrix",
    "MatrixError",
    "Plan",
    "damaged_records",
    "github_matrix",
    "make_plan",
    "read_matrix",
    "read_records",
    "run_jobs",
    "table",
]
