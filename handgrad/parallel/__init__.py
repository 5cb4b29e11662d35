"""Training in several processes: a batch in fixed shards, and how ranks put their sums together."""

from handgrad.parallel.choose import as_ranks
from handgrad.parallel.ranks import Alone, Ranks
from handgrad.parallel.shards import STRIDE, Shards, TreeSum

__all__ = ["STRIDE", "Alone", "Ranks", "Shards", "TreeSum", "as_ranks"]
