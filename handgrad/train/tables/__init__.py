"""Tables as they are: files and data frames read, understood, and brought into numbers."""

from handgrad.train.tables.spec import TableSpec
from handgrad.train.tables.table import Table, read_table

__all__ = ["Table", "TableSpec", "read_table"]
