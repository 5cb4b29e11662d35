"""Training in several processes: a batch in fixed shards, and how ranks put their sums together."""

from handgrad.parallel.choose import as_ranks
from handgrad.parallel.feedback import Feedback
from handgrad.parallel.halves import HALVES
from handgrad.parallel.ranks import Alone, Ranks
from handgrad.parallel.shards import STRIDE, Shards, TreeSum

__all__ = ["HALVES", "STRIDE", "Alone", "Feedback", "Ranks", "Shards", "TreeSum", "as_ranks"]
