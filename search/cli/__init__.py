"""`prover prove`, `generate`, `serve`: the commands in front of the searches."""
