"""`prover.prove`, `prover.disprove` and `prover.check`: the commands as Python functions."""

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
from search.disprove import disprove_file
from search.negation import Refutation
from search.prove import Outcome, Status, prove_file, revoke_refused, select_declarations
from search.searches import disprover, searcher


@dataclass(frozen=True)
class TheoremResult:
    """The result for one theorem.

    proof: the text after `:= by`; None if no proof was found (a theorem that had one keeps it).
    verdict: Lean's on that proof, or on the one in the file. detail: why it is not proved, for people.
    refutation: that it does not hold, with a counterexample and a proof of the negation.
    """

    name: str
    status: Status
    proof: str | None
    verdict: Verdict | None
    detail: str
    samples: int
    checks: int
    seconds: float
    refutation: Refutation | None = None

    @property
    def proved(self) -> bool:
        """Whether it has a proof that Lean accepts, found or given."""
        return self.status in (Status.PROVED, Status.HOLDS)


@dataclass(frozen=True)
class ProveResult:
    """The results for a file's theorems, in order. code: the file with the found proofs."""

    theorems: tuple[TheoremResult, ...]
    code: str

    @property
    def proved(self) -> bool:
        """Whether all its theorems are proved."""
        return all(theorem.proved for theorem in self.theorems)

    def __iter__(self) -> Iterator[TheoremResult]:
        """Iterate over the theorems."""
        return iter(self.theorems)

    def __getitem__(self, name: str) -> TheoremResult:
        """Return the theorem with a name. Raises KeyError."""
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
    use_open_lemmas: bool = False,
) -> ProveResult:
    """Find proofs for the theorems that have none, and check the others: `prover prove` as a function.

    Args:
        code: the text of a Lean file, or its path.
        statement: instead of `code`, a theorem or only a proposition, such as "∀ a b : Nat, a + b = b + a".
        theorems: only these, by their full names; by default all.
        header: a text that replaces the file's imports, or the name of one in data.headers, such as "core".
        policy: what writes proofs: "tactics", "openai" (at `base_url`), "vllm" or "native" (a `model`).
        family: the prompt format; by default it follows from the model's name.
        max_tokens: the length limit of an answer; by default the format's.
        search: "auto", "sampling", "rmaxts" or "refine".
        seed: the same seed tries the same things in the same order.
        timeout, cpu, samples, checks: the budget of each theorem: seconds, seconds of Lean's processor time, proofs
            requested from the policy, requests to Lean. None: no limit.
        workers: Lean processes; by default one per core.
        strict: a proof that Lean's kernel accepts and ours cannot decide does not count.
        use_open_lemmas: proofs may use theorems above that are still open. What rests on one is `open`, with the proof.

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
        open_policy(config) as opened_policy,
    ):
        fallback = fallback_policy(config)
        theorem_search = searcher(search, pool, opened_policy, seed=seed, fallback=fallback, refute=True)
        holes = None if opened_policy.stepwise else searcher("auto", pool, TacticsPolicy(), seed=seed)
        pool.expect_proofs()
        file = await _parse_input(pool, code, statement, header)
        names = [declaration.name for declaration in select_declarations(file)]
        if unknown := set(theorems) - set(names):
            known_names = ", ".join(names) or "none"
            raise ValueError(f"no theorem is called {', '.join(sorted(unknown))}; there are: {known_names}")
        proving = prove_file(pool, file, theorem_search, budget, theorems, holes=holes, use_open_lemmas=use_open_lemmas)
        outcomes = [outcome async for outcome in proving]
        await revoke_refused(pool, file, outcomes)
    return ProveResult(
        tuple(map(_theorem_result, outcomes)), file.with_proofs({o.declaration.name: o.edits for o in outcomes})
    )


async def disprove_async(
    code: str | Path | None = None,
    *,
    statement: str | None = None,
    theorems: Collection[str] = (),
    header: str | None = None,
    seed: int = 0,
    timeout: float | None = 20.0,
    cpu: float | None = None,
    workers: int | None = None,
    strict: bool = False,
) -> dict[str, Refutation | None]:
    """Look for counterexamples to theorems, and for proofs of their negations: `prover disprove` as a function.

    Args:
        code, statement, header, seed, workers, strict: as in `prove`.
        theorems: only these, by their full names; by default those that are left open, or all where none is.
        timeout, cpu: the budget of each theorem: seconds, seconds of Lean's processor time. None: no limit.

    Returns:
        The refutation of each theorem, or None where none was found, which says nothing about whether it holds.

    Raises:
        FileError, InputError: Lean cannot read the code. ValueError: it has no such theorem.
        Unavailable: there is no Lean.
    """
    if (code is None) == (statement is None):
        raise ValueError("give either code or statement")
    async with LeanPool(installed_lean(), workers=workers, cache=True, strict=strict) as pool:
        file = await _parse_input(pool, code, statement, header)
        if unknown := set(theorems) - {d.name for d in file.theorems}:
            raise ValueError(f"no theorem is called {', '.join(sorted(unknown))}")
        refuting = disprove_file(pool, file, disprover(pool, seed=seed), Budget(seconds=timeout, cpu=cpu), theorems)
        return {found.declaration.name: found.refutation async for found in refuting}


async def _parse_input(pool: LeanPool, code: str | Path | None, statement: str | None, header: str | None) -> LeanFile:
    replacement = None if header is None else HEADERS.get(header, header)
    if statement is not None:
        return await parse_source(pool, statement, None, replacement)
    return await parse_source(
        pool, _read_text(code or ""), str(code) if isinstance(code, Path) else "<code>", replacement
    )


def _read_text(code: str | Path, errors: str = "strict") -> str:
    """Return a file's text; line ends stay as they are."""
    return code.read_bytes().decode("utf-8", errors) if isinstance(code, Path) else code


def _theorem_result(outcome: Outcome) -> TheoremResult:
    return TheoremResult(
        outcome.declaration.name,
        outcome.status,
        outcome.proof,
        outcome.verdict,
        outcome.detail,
        outcome.samples,
        outcome.checks,
        outcome.seconds,
        outcome.refutation,
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
        return await judge_pair(
            pool, _read_text(challenge), _read_text(solution, "surrogateescape"), theorems, timeout, path
        )


prove = async_to_sync(prove_async)
disprove = async_to_sync(disprove_async)
check = async_to_sync(check_async)
