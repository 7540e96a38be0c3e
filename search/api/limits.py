"""The limits on clients of the API, and the configuration file that sets them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _StrictModel(BaseModel):
    """A frozen model that converts nothing and refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class APILimits(_StrictModel):
    """Limits on requests and connections. The answer to a request beyond one names it.

    running: requests worked on at once. They share the pool's workers, so more of them are slower each.
    waiting: requests that may wait; any further one is refused.
    seconds: the time limit of one theorem, and of reading what was sent in Lean.
    request_seconds: the time limit of a whole request. Theorems not reached by then are unproved.
    theorems: theorems of one request.
    body_bytes: size of a request's body.
    text_length: characters of one text in it.
    json_depth: nesting depth of its arrays and objects.
    connections: open connections. The limit of open files (`ulimit -n`) can allow fewer: see server.max_connections.
    head_seconds: the time limit for a request's head to arrive.
    body_seconds: the time limit for its body to arrive, and for its answer to be fetched.
    """

    running: Count = 4
    waiting: Annotated[int, Field(ge=0)] = 64
    seconds: Seconds = 300.0
    request_seconds: Seconds = 900.0
    theorems: Count = 1000
    body_bytes: Count = 10 * 1024 * 1024
    text_length: Count = 1_000_000
    json_depth: Count = 16
    connections: Count = 256
    head_seconds: Seconds = 10.0
    body_seconds: Seconds = 60.0

    @model_validator(mode="after")
    def _fits(self) -> APILimits:
        """Check that a request has at least the time of one theorem."""
        if self.request_seconds < self.seconds:
            raise ValueError("request_seconds must not be less than seconds, which is for one theorem")
        return self


class APIConfig(_StrictModel):
    """The configuration file of `prover serve --api`."""

    limits: APILimits = APILimits()
