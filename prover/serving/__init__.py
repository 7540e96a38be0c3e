"""Serving of models with vLLM: the flags of a model, the server process, new weights."""

from prover.model.config import ModelError
from prover.serving.model import Model
from prover.serving.process import ServerFailed, VLLMServer

__all__ = ["Model", "ModelError", "ServerFailed", "VLLMServer"]
