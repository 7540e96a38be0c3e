"""`prover.prove` and `prover.check`: proving and checking from a program."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from data import LeanFile
from data.headers import HEADERS
from data.judging import judge_pair
from data.statements import parse_source
from lean_env import LeanPool, Verdict
from lean_env.console import installed_lean
from lean_env.sync import async_to_sync
from prover.policy import PolicyConfig, TacticsPolicy, fallback_policy, open_policy
from search.budget import Budget
from search.prove import Outcome, Status, prove_file, take_back, wanted
from search.searches import searcher


@dataclass(frozen=True)
class TheoremResult:
    """What became of one theorem.

    proof: what stands after `:= by`; None if it is not proved by us (one that had a proof already keeps it).
    verdict: Lean's on that proof, or on the one that was there. detail: why it is not proved, for people.
    """

    name: str
    status: Status
    proof: str | None
    verdict: Verdict | None
    detail: str
    samples: int
    checks: int
    seconds: float

    @property
    def proved(self) -> bool:
        """Whether it has a proof that Lean accepts: one that was found, or one that it had."""
        return self.status in (Status.PROVED, Status.HOLDS)


@dataclass(frozen=True)
class ProveResult:
    """What became of a file's theorems, in order. code: the file with the proofs that were found."""

    theorems: tuple[TheoremResult, ...]
    code: str

    @property
    def proved(self) -> bool:
        """Whether all its theorems are proved."""
        return all(theorem.proved for theorem in self.theorems)

    def __iter__(self) -> Iterator[TheoremResult]:
        return iter(self.theorems)

    def __getitem__(self, name: str) -> TheoremResult:
        """The theorem of a name. Raises KeyError."""
        for theorem in self.theorems:
            if theorem.name == name:
                return theorem
        raise KeyError(name)


async def prove_async(
    code: str | Path | None = None,
    *,
    statement: str | None = None,
    theorems: Collection[str] = (),
    header: str | None = None,
    policy: str = "tactics",
    model: str = "",
    base_url: str = "",
    family: str = "",
    max_tokens: int | None = None,
    search: str = "auto",
    seed: int = 0,
    timeout: float | None = 60.0,
    cpu: float | None = None,
    samples: int | None = None,
    checks: int | None = None,
    workers: int | None = None,
    strict: bool = False,
) -> ProveResult:
    """Find proofs for the theorems that have none, and check the others: `prover prove` as a function.

    Args:
        code: a Lean file's text, or its path.
        statement: instead of `code`, a theorem or only a proposition, such as "∀ a b : Nat, a + b = b + a".
        theorems: only these, by their full names; by default all.
        header: what stands in place of the file's imports: a text, or "core" and its like (data.headers).
        policy: what proposes proofs: "tactics", "openai" (at `base_url`), "vllm" or "native" (a `model`).
        family: the prompt format; by default it follows from the model's name.
        max_tokens: the length of an answer; by default the format's.
        search: "auto", "sampling", "rmaxts" or "refine".
        seed: the same seed tries the same things in the same order.
        timeout, cpu, samples, checks: the budget of each theorem: seconds, seconds of Lean's processor time, proofs
            asked of the policy, questions to Lean. None: no limit.
        workers: Lean processes; by default one per core.
        strict: what Lean's kernel accepts and ours cannot decide is not proved.

    Raises:
        FileError, InputError: Lean cannot read the code, or it has no such theorem.
        ValueError: a policy, format or search of that name does not exist, or the budget is negative.
        Unavailable: there is no Lean, or no model.
    """
    if (code is None) == (statement is None):
        raise ValueError("give either code or statement")
    budget = Budget(samples, checks, None, timeout, cpu)
    config = PolicyConfig(name=policy, model=model, base_url=base_url, family=family, max_tokens=max_tokens)
    async with (
        LeanPool(installed_lean(), workers=workers, cache=True, strict=strict) as pool,
        open_policy(config) as proposing,
    ):
        searching = searcher(search, pool, proposing, seed=seed, fallback=fallback_policy(config))
        holes = None if proposing.stepwise else searcher("auto", pool, TacticsPolicy(), seed=seed)
        pool.expect_proofs()
        file = await _file(pool, code, statement, header)
        there = [declaration.name for declaration in wanted(file)]
        if unknown := set(theorems) - set(there):
            have = ", ".join(there) or "none"
            raise ValueError(f"no theorem is called {', '.join(sorted(unknown))}; there are: {have}")
        outcomes = [outcome async for outcome in prove_file(pool, file, searching, budget, theorems, holes=holes)]
        await take_back(pool, file, outcomes)
    return ProveResult(tuple(map(_result, outcomes)), file.with_proofs({o.declaration.name: o.edits for o in outcomes}))


async def _file(pool: LeanPool, code: str | Path | None, statement: str | None, header: str | None) -> LeanFile:
    replacement = None if header is None else HEADERS.get(header, header)
    if statement is not None:
        return await parse_source(pool, statement, None, replacement)
    return await parse_source(pool, _text(code or ""), str(code) if isinstance(code, Path) else "<code>", replacement)


def _text(code: str | Path, errors: str = "strict") -> str:
    """A file's text; line ends stay as they are."""
    return code.read_bytes().decode("utf-8", errors) if isinstance(code, Path) else code


def _result(outcome: Outcome) -> TheoremResult:
    return TheoremResult(
        outcome.declaration.name,
        outcome.status,
        outcome.proof,
        outcome.verdict,
        outcome.detail,
        outcome.samples,
        outcome.checks,
        outcome.seconds,
    )


async def check_async(
    challenge: str | Path,
    solution: str | Path,
    *,
    theorems: Collection[str] = (),
    timeout: float = 60.0,
    workers: int | None = None,
    strict: bool = False,
) -> dict[str, Verdict]:
    """Decide whether a solution proves what a challenge states: `prover check` as a function.

    Args:
        challenge: a Lean file that states theorems with `sorry`: its text, or its path.
        solution: a Lean file that claims to prove them, likewise.
        theorems: only these, by their full names; by default all that the challenge leaves open.
        timeout: seconds for each theorem.
        workers, strict: as in `prove`.

    Returns:
        The verdict on each theorem: `proved`, and if it is not, `reason` and `detail`.

    Raises:
        FileError, InputError: Lean cannot read the challenge. Unavailable: there is no Lean.
    """
    async with LeanPool(installed_lean(), workers=workers, strict=strict) as pool:
        path = str(challenge) if isinstance(challenge, Path) else "<challenge>"
        return await judge_pair(pool, _text(challenge), _text(solution, "surrogateescape"), theorems, timeout, path)


prove = async_to_sync(prove_async)
check = async_to_sync(check_async)
