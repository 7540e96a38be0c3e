"""`prover.evaluate`: evaluation on a whole benchmark from Python."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.benchmarks import benchmark_path
from data.records.run_folder import now
from eval import run, summary
from eval.config import SINGLE, RunConfig, run_config
from eval.folder import RunFolder
from eval.problems import problems_digest, select_problems
from lean_env import Lean
from lean_env.console import installed_lean, lean_pool
from lean_env.sync import async_to_sync
from prover.policy import open_policy


@dataclass(frozen=True)
class Evaluation:
    """The results of a run. folder: its files, for `prover eval report`. figures: all figures of the report's JSON."""

    folder: Path
    figures: dict[str, Any]

    @property
    def asked(self) -> int:
        """The number of problems that this Lean can express."""
        return int(self.figures["counts"]["asked"])

    @property
    def proved(self) -> list[str]:
        """The names of the proved problems."""
        return [problem["name"] for problem in self.figures["problems"] if problem["status"] == "proved"]

    @property
    def pass_at(self) -> dict[int, float]:
        """pass@k by k: the unbiased estimate of the share proved within k attempts."""
        return {row["k"]: row["value"] for row in self.figures["pass_at"]}


async def evaluate_async(
    problems: str | Path,
    *,
    split: str = "",
    limit: int | None = None,
    policy: str = "tactics",
    model: str = "",
    base_url: str = "",
    family: str = "",
    max_tokens: int | None = None,
    search: str = SINGLE,
    attempts: int = 1,
    timeout: float | None = 60.0,
    cpu: float | None = None,
    samples: int | None = None,
    checks: int | None = None,
    tokens: int | None = None,
    seed: int = 0,
    refute: bool = False,
    workers: int | None = None,
    strict: bool = False,
    out: str | Path | None = None,
    progress: Callable[[run.EvalProgress], None] = lambda state: None,
) -> Evaluation:
    """Make attempts at every problem of a benchmark: `prover eval run` as a function.

    A killed run continues when called again with the same arguments.

    Args:
        problems: a fetched benchmark's name, a file or a folder.
        split, limit: only problems of this split, only so many.
        policy, model, base_url, family, max_tokens: the policy that writes proofs, as in `prove`.
        search: "single" (every attempt is one proof), or a search, as in `prove`.
        attempts: for each problem; n of pass@k.
        timeout, cpu, samples, checks, tokens: the budget of an attempt; with "single" only `timeout`, for its check.
        seed: the same seed makes the same attempts.
        refute: a share of each search is for a refutation, which ends it as `refuted`.
        workers, strict: as in `prove`.
        out: the run's folder; by default one with a descriptive name in runs/.
        progress: called with the progress so far.

    Raises:
        ConfigError: an invalid argument. BenchmarkMissing, ProblemError: no such problems.
        RunError: the folder has another run. Unavailable: there is no Lean, or no model.
    """
    config = run_config(
        {
            "problems": str(problems),
            "split": split,
            "limit": limit,
            "policy": {
                "name": policy,
                "model": model,
                "base_url": base_url,
                "family": family,
                "max_tokens": max_tokens,
            },
            "search": search,
            "attempts": attempts,
            "budget": {"samples": samples, "checks": checks, "tokens": tokens, "seconds": timeout, "cpu": cpu},
            "seed": seed,
            "refute": refute,
            "workers": workers,
            "strict": strict,
        },
        "evaluate",
    )
    folder = RunFolder(Path(out) if out is not None else Path("runs") / run_name(config))
    await run_benchmark(folder, config, progress)
    return Evaluation(folder.path, summary.summarise(folder))


evaluate = async_to_sync(evaluate_async)


def _is_done(folder: RunFolder, config: RunConfig, digest: str) -> bool:
    """Return whether the folder has this run with all its attempts. Raises RunError."""
    if not (folder.path / "run.json").exists():
        return False
    head = folder.manifest
    identity = {key: value for key, value in head["identity"].items() if key not in ("policy", "lean")}
    is_same_run = (
        identity == config.identity | {"problems": digest} and head["config"]["policy"] == config.policy.model_dump()
    )
    return is_same_run and run.is_complete(folder, config)


async def run_benchmark(folder: RunFolder, config: RunConfig, progress: Callable[[run.EvalProgress], None]) -> bool:
    """Make all attempts of a run that its folder does not have yet; return False if there were none.

    Raises BenchmarkMissing, ProblemError, RunError, LeanUnavailable, PolicyUnavailable, OSError.
    """
    path = benchmark_path(config.problems)
    count, problems_hash = problems_digest(select_problems(path, config.split, config.limit))
    if _is_done(folder, config, problems_hash):
        return False
    lean = installed_lean()
    async with (
        lean_pool(lean, config.workers, config.ray, True, config.strict) as pool,
        open_policy(config.policy) as policy,
    ):
        identity = config.identity | {
            "problems": problems_hash,
            "policy": policy.name,
            "lean": f"{lean.name} {lean.version}",
        }
        head = {
            "config": config.model_dump(mode="json"),
            "identity": identity,
            "problems": count,
            "versions": _versions(lean, policy.name),
            "started": now(),
        }
        with folder.locked(head):
            await run.write_problems(folder, pool, select_problems(path, config.split, config.limit), progress)
            await run.make_attempts(folder, pool, policy, config, progress)
            folder.log("done")
    return True


def run_name(config: RunConfig) -> str:
    """Return a descriptive name for a run's folder."""
    policy = Path(config.policy.model).name or config.policy.name
    return "-".join(filter(None, (Path(config.problems).stem, config.split, policy, config.search)))


def _versions(lean: Lean, policy: str) -> dict[str, str]:
    return {
        "prover": importlib.metadata.version("open-prover"),
        "lean": f"{lean.version} ({lean.name})",
        "policy": policy,
        "python": platform.python_version(),
    }
