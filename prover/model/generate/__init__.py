"""Writing text with the model: sampling.py draws tokens, decoder.py runs the layers over cached latents, generator.py
keeps many answers going."""

from prover.model.generate.generator import Answer, Generator, Request
from prover.model.generate.sampling import Sampling

__all__ = ["Answer", "Generator", "Request", "Sampling"]
