"""The configuration of a run: its problems, policy, search and budget."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from data.choices import choose
from data.records.config import StrictModel, validated
from prover.policy import PolicyConfig
from search import Budget
from search.searches import SEARCHES

SINGLE = "single"
"""No search: every attempt is one judged whole proof of the policy, as pass@k of the papers counts."""


class BudgetConfig(StrictModel):
    """The budget of one attempt, with one Lean worker (see search.Budget). In `single`: seconds for the check.

    seconds: wall time. cpu: seconds of processor time of Lean's processes, independent of the machine's load; if it is
    given, `seconds` is no limit unless it is given, too.
    """

    samples: int | None = Field(default=None, ge=0)
    checks: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=60.0, gt=0, allow_inf_nan=False)
    cpu: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _one_clock(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and fields.get("cpu") is not None and "seconds" not in fields:
            return {**fields, "seconds": None}
        return fields

    def budget(self) -> Budget:
        """Return the search.Budget."""
        return Budget(self.samples, self.checks, self.tokens, self.seconds, self.cpu)


class RunConfig(StrictModel):
    """A run. Its results follow from all fields but the last two, which only say where Lean runs.

    problems: a benchmark's name, or a path (see data.problems). split: only problems of this split. limit: only the
    first so many. attempts: for each problem; n of pass@k. seed: attempt number k has the seed `seed + k`; with search
    `single` it is sample number k of `seed`.
    refute: a share of each search's budget is for a refutation, which ends it as `refuted`. strict: a proof that our
    own kernel could not decide does not count. workers: Lean processes. ray: a cluster's address, or "local".
    """

    problems: str
    split: str = ""
    limit: int | None = Field(default=None, ge=1)
    policy: PolicyConfig = PolicyConfig()
    search: str = SINGLE
    attempts: int = Field(default=1, ge=1)
    budget: BudgetConfig = BudgetConfig()
    seed: int = Field(default=0, ge=0)
    refute: bool = False
    strict: bool = False
    workers: int | None = Field(default=None, ge=1)
    ray: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> RunConfig:
        choose("search", self.search, (SINGLE, *SEARCHES))
        if self.search == SINGLE and (
            self.budget.samples or self.budget.checks or self.budget.tokens or self.budget.cpu
        ):
            raise ValueError(f"search {SINGLE} has one sample and one check an attempt; only budget.seconds can be set")
        if self.search == SINGLE and self.refute:
            raise ValueError(f"search {SINGLE} is one sample an attempt; refute is for the others")
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that the results follow from, as JSON, except the problems and the policy themselves.

        The number of attempts is not part of it: a run may get more attempts later.
        """
        elsewhere = {"problems", "policy", "attempts", "refute", "strict", "workers", "ray"}
        fields = self.model_dump(mode="json", exclude=elsewhere) | {"max_tokens": self.policy.max_tokens}
        if self.budget.cpu is None:  # runs from before the field go on
            del fields["budget"]["cpu"]
        # Runs from before these fields go on.
        return fields | {name: True for name in ("refute", "strict") if getattr(self, name)}


def run_config(fields: dict[str, Any], source: str = "the options") -> RunConfig:
    """Return the run that some fields describe. Raises ConfigError, with a line for each wrong field."""
    return validated(RunConfig, fields, source)
