"""`prover check` and the commands that read and prepare problems."""
