"""Serving a model with vLLM: which flags it needs, and the process that runs it."""

from prover.model.config import ModelError
from prover.serving.model import Model
from prover.serving.process import ServerFailed, VLLMServer

__all__ = ["Model", "ModelError", "ServerFailed", "VLLMServer"]
