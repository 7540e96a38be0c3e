"""Spending a budget on one theorem: every module here is one `Searcher`."""

from search.budget import Budget, Meter
from search.portfolio import Portfolio, Turn
from search.refine import Refine
from search.rmaxts import RMaxTS
from search.sampling import Sampling
from search.searcher import Searcher, SearchResult
from search.subgoals import Subgoals

__all__ = [
    "Budget",
    "Meter",
    "Portfolio",
    "RMaxTS",
    "Refine",
    "Sampling",
    "SearchResult",
    "Searcher",
    "Subgoals",
    "Turn",
]
