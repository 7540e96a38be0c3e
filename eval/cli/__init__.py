"""`prover eval` and `prover data validate`."""
