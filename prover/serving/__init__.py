"""Serving a model with vLLM: which flags it needs, and the process that runs it."""

from prover.serving.model import Model, ModelError
from prover.serving.process import ServerFailed, VLLMServer

__all__ = ["Model", "ModelError", "ServerFailed", "VLLMServer"]
