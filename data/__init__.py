"""Problems and proofs: Lean files, benchmarks and corpora, all as `Theorem`s."""

from data.lean_file import LeanFile, Place, parse
from data.theorem import Theorem

__all__ = ["LeanFile", "Place", "Theorem", "parse"]
