"""The searches by name, and the portfolio that `auto` stands for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from data.choices import choose
from lean_env import LeanPool
from prover.policy import Policy, TacticsPolicy
from search.budget import Meter
from search.disprove import BothSides, Disprover
from search.lemmas import LemmaStore
from search.portfolio import Phase, Portfolio
from search.refine import Refine
from search.rmaxts import RMaxTS
from search.sampling import SamplingSearch
from search.searcher import Searcher
from search.subgoals import Subgoals

_SEED_OFFSET = 100_000  # between the seeds of two phases
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
    refute: bool = False,
) -> Searcher:
    """Return the search of a name. Raises ValueError for an unknown name.

    journals: a folder for the checkpoints of tree searches (see RMaxTS). fallback: with `auto`, a second, stepwise
    policy, which gets most of the budget after some proofs of the first one. progress: called after each judged proof.
    refute: a share of the budget is for a refutation, which ends the search, too.
    """
    choose("search", name, SEARCHES)
    if refute:
        one_side = searcher(name, pool, policy, seed=seed, journals=journals, progress=progress, fallback=fallback)
        return BothSides(one_side, disprover(pool.share(1), seed=seed))
    # No phase of `auto` may draw the samples of another.
    model_offset = 0 if policy.stepwise or name != "auto" else _SEED_OFFSET
    sampling = SamplingSearch(pool, policy, seed=seed, progress=progress)
    tree = RMaxTS(pool, policy, seed=seed + 2 * model_offset, journals=journals, progress=progress)
    refine = Refine(pool, policy, seed=seed + model_offset, progress=progress)
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
            fallback_search = searcher(name, pool, fallback, seed=seed, journals=journals, progress=progress)
            return Portfolio([Phase(sampling, 0.05), Phase(fallback_search, 1.0)])
        case "auto" if policy.stepwise:  # such a policy corrects nothing
            second_tree = RMaxTS(pool, policy, seed=seed + _SEED_OFFSET, journals=journals, progress=progress)
            return Portfolio([Phase(tree, 0.5), Phase(sampling, 0.5), Phase(second_tree, 1.0)])
        case _:
            return Portfolio([Phase(sampling, 0.3), Phase(refine, 0.4), Phase(tree, 1.0)])


def disprover(pool: LeanPool, *, seed: int = 0) -> Disprover:
    """Return what refutes theorems: by small values, and by proofs of the negation that the tactics policy finds."""
    return Disprover(pool, searcher("auto", pool, TacticsPolicy(), seed=seed))
