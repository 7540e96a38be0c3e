"""What clients of the API may take, and the configuration file that says so."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Limits(_Part):
    """Limits on requests and connections. A client that meets one is told which.

    running: requests worked on at once. They share the pool's workers: more of them are slower each.
    waiting: requests that may wait for that; any further one is sent away.
    seconds: the longest time for one theorem, and for Lean to read what was sent.
    request_seconds: the longest time for all the work of one request. What is not reached then has no proof.
    theorems: theorems of one request.
    body_bytes: size of a request's body.
    text_length: characters of one text in it.
    json_depth: how deep its arrays and objects may be nested.
    connections: open connections. The limit of open files (`ulimit -n`) can allow fewer: see server.max_connections.
    head_seconds: the longest time for a request's head to arrive.
    body_seconds: the longest time for its body to arrive, and for its answer to be fetched.
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
    def _fits(self) -> Limits:
        if self.request_seconds < self.seconds:
            raise ValueError("request_seconds must not be less than seconds, which is for one theorem")
        return self


class APIConfig(_Part):
    """The configuration file of `prover serve --api`."""

    limits: Limits = Limits()
