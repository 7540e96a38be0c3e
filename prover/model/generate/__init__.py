"""Text generation with continuous batching.

generator.py runs requests (request.py) in one batch; decoder.py runs the layers over cached latents (experts.py,
linear.py); cache.py and prefix_tree.py hold the latents; sampling.py samples tokens.
"""

from prover.model.generate.generator import Generator
from prover.model.generate.request import GeneratedSequence, GenerationRequest
from prover.model.sampling_params import SamplingParams

__all__ = ["GeneratedSequence", "GenerationRequest", "Generator", "SamplingParams"]
