"""The searches by name, and the portfolio that `auto` stands for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from data.choices import choose
from lean_env import LeanPool
from prover.policy import Policy, TacticsPolicy
from search.budget import Meter
from search.lemmas import LemmaStore
from search.portfolio import Portfolio, Turn
from search.refine import Refine
from search.rmaxts import RMaxTS
from search.sampling import Sampling
from search.searcher import Searcher
from search.subgoals import Subgoals

_TURN = 100_000  # seeds
SEARCHES = ("auto", "sampling", "rmaxts", "refine", "subgoals")


def searcher(
    name: str,
    pool: LeanPool,
    policy: Policy,
    *,
    seed: int = 0,
    journals: Path | None = None,
    progress: Callable[[Meter], None] | None = None,
    fallback: Policy | None = None,
) -> Searcher:
    """A search by its name; `journals`: a folder for the checkpoints of those that have some (see RMaxTS).

    fallback: with `auto`, a second policy, stepwise, which gets most of the budget after some proofs of the first one.
    """
    choose("search", name, SEARCHES)
    own = 0 if policy.stepwise or name != "auto" else _TURN  # so that no turn of a model's draws another's samples
    sampling = Sampling(pool, policy, seed=seed, progress=progress)
    tree = RMaxTS(pool, policy, seed=seed + 2 * own, journals=journals, progress=progress)
    refine = Refine(pool, policy, seed=seed + own, progress=progress)
    match name:
        case "sampling":
            return sampling
        case "rmaxts":
            return tree
        case "refine":
            return refine
        case "subgoals":  # the policy sketches, the tactics prove the steps
            steps = searcher("auto", pool, TacticsPolicy(), seed=seed, journals=journals)
            lemmas = LemmaStore(journals / "lemmas.jsonl" if journals else None)
            return Subgoals(pool, policy, steps, seed=seed, lemmas=lemmas, progress=progress)
        case "auto" if fallback is not None:
            others = searcher(name, pool, fallback, seed=seed, journals=journals, progress=progress)
            return Portfolio([Turn(sampling, 0.05), Turn(others, 1.0)])
        case "auto" if policy.stepwise:  # such a policy corrects nothing
            again = RMaxTS(pool, policy, seed=seed + _TURN, journals=journals, progress=progress)
            return Portfolio([Turn(tree, 0.5), Turn(sampling, 0.5), Turn(again, 1.0)])
        case _:
            return Portfolio([Turn(sampling, 0.3), Turn(refine, 0.4), Turn(tree, 1.0)])
