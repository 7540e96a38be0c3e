"""Problems and proofs: Lean files, benchmarks and corpora, all as `Theorem`s."""
