"""Expert iteration (DeepSeek-Prover §3.4, DeepSeek-Prover-V2 §2.2).

What the model proves, with Lean as the judge, is what it learns from next. A folder `iteration-N` for each round has
`answers.jsonl` (what was sampled), `pairs.jsonl` (what is learnt) and the files of a supervised run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

from data import pairs
from data.decontaminate import deduplicated
from data.pairs import Pair, as_row
from data.problems import Problem
from data.records.jsonl import JsonlWriter, read_jsonl, write_jsonl
from lean_env import LeanPool
from rl import runs
from rl.config import ExpertIterationConfig, SFTConfig
from rl.folder import TrainFolder
from rl.groups import is_proved, read
from rl.inputs import read_all
from rl.model import ModelSource, tokenizer_of
from rl.rollout import rollout_all
from rl.stop import unless


async def run(config: ExpertIterationConfig, folder: TrainFolder, pool: LeanPool) -> None:
    """Run all rounds; the last one's model is the run's. Raises ConfigError, PolicyUnavailable, Interrupted."""
    problems, given = runs.read_problems(config.problems), read_all(pairs.read, config.data)
    await runs.check_statements_elaborate(problems, pool)
    source, found = config.model, list[Pair]()
    for number in range(1, config.iterations + 1):
        place = folder.inner(f"iteration-{number}")
        found += await _proofs(config, place, problems, source, number, pool)
        learnt = deduplicated([*given, *found], config.proofs)
        write_jsonl(place.path / "pairs.jsonl", map(as_row, learnt))
        folder.say(f"iteration {number}: {len(found)} proofs found so far, {len(learnt)} pairs to learn from")
        supervised = _supervised(config, source, place.path / "pairs.jsonl")
        with place.working("sft", supervised, {}):
            await runs.run_sft(supervised, place, pool)
        source = ModelSource(folder=str(place.path / "model"))
    folder.adopt(Path(source.folder))


async def _proofs(
    config: ExpertIterationConfig,
    place: TrainFolder,
    problems: Sequence[Problem],
    source: ModelSource,
    number: int,
    pool: LeanPool,
) -> list[Pair]:
    """The proofs found in a round; theorems that were asked before a kill are not asked again."""
    place.path.mkdir(parents=True, exist_ok=True)
    file = place.path / "answers.jsonl"
    rows: list[dict[str, Any]] = list(read_jsonl(file))
    done = len(rows) // len(config.rollout.families)
    tokenizer = tokenizer_of(source, ())
    graded = runs.judges(pool, config.rollout)
    total = len(problems) * len(config.rollout.families)
    if done < len(problems):
        async with runs.open_sampler(source, tokenizer, config.rollout, config.placement) as sampler:
            seed = config.seed * 1000 + number
            groups = rollout_all(sampler, graded, problems, config.rollout, seed, start=len(rows))
            with closing(JsonlWriter(file)) as lines:
                async with aclosing(groups):
                    while (
                        group := await unless(place.stop, anext(groups, None), _kept(number, len(rows), total))
                    ) is not None:
                        rows.append(group.as_row())
                        await asyncio.to_thread(lines.append, rows[-1:])
                        if place.due():
                            place.say(_line(rows, total))
    place.say(_line(rows, len(rows)))
    return [Pair(told.problem, answer["proof"]) for told in read(file) for answer in told.answers if is_proved(answer)]


def _kept(number: int, asked: int, total: int) -> str:
    what = f"{asked} of {total} theorems asked, which are kept" if asked else "no theorem asked yet"
    return f"stopped in iteration {number}, {what}: the same command goes on from there"


def _line(rows: Sequence[Mapping[str, Any]], total: int) -> str:
    proved = sum(any(map(is_proved, row["answers"])) for row in rows)
    return f"asked {len(rows)} of {total}, {proved} proved ({proved / max(len(rows), 1):.1%})"


def _supervised(config: ExpertIterationConfig, source: ModelSource, data: Path) -> SFTConfig:
    shared = {name: getattr(config, name) for name in SFTConfig.model_fields if name in type(config).model_fields}
    return SFTConfig(**{**shared, "model": source, "data": [data], "family": config.rollout.families[0]})
