"""Problems and proofs: Lean files, benchmarks and corpora, all as `Theorem`s."""

from data.lean_file import Declaration, LeanFile, parse
from data.theorem import Theorem

__all__ = ["Declaration", "LeanFile", "Theorem", "parse"]
