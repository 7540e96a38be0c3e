"""Spending a budget on one theorem: every module here is one `Searcher`."""
