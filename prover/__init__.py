"""The policy (what writes proofs) and the `prover` command line."""
