"""Training the prover: supervised, from its own proofs, by preferences, and from Lean's feedback."""
