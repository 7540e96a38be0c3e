"""Spending a budget on one theorem: every module here is one `Searcher`."""

from search.budget import Budget, Meter
from search.sampling import Sampling
from search.searcher import Searcher, SearchResult

__all__ = ["Budget", "Meter", "Sampling", "SearchResult", "Searcher"]
