"""An HTTP API that proves statements and checks proofs."""
