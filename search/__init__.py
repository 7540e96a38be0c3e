"""Spending a budget on one theorem: every module here is one `Searcher`."""

from search.budget import Budget, Meter
from search.portfolio import Phase, Portfolio
from search.refine import Refine
from search.rmaxts import RMaxTS
from search.sampling import SamplingSearch
from search.searcher import Searcher, SearchResult
from search.subgoals import Subgoals

__all__ = [
    "Budget",
    "Meter",
    "Phase",
    "Portfolio",
    "RMaxTS",
    "Refine",
    "SamplingSearch",
    "SearchResult",
    "Searcher",
    "Subgoals",
]
