"""Reinforcement learning from Lean's feedback: the loop (RLPAF; DeepSeek-Prover-V1.5 §2.3, DeepSeek-Prover-V2 §2.3).

Answers are written, judged and learnt from at the same time. Groups are numbered as they are asked, and learnt from in
that order, whichever is there first. An update takes the next groups that are of use, and makes do with fewer of them
where most are not. What is asked is at most `staleness` updates ahead of what has been learnt, so that no model is
further behind when what it wrote is learnt from.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from data.problems import Problem
from data.records.jsonl import JsonlWriter
from rl.config import GRPOConfig
from rl.folder import TrainFolder
from rl.groups import RolloutGroup, RolloutRequest, read
from rl.learner import Rewarded
from rl.loop import UpdateClock
from rl.reward import Judge
from rl.rollout import StageTimer, rollout_group, sampling_params
from rl.samplers import Sampler, Weights
from rl.selection import PromptSampler
from rl.stop import Interrupted

_LOOK = 0.2  # seconds between two looks at whether it is to stop
_TRIES = 4  # groups that are asked at most for each that an update wants; then it makes do with those of use


class LearnerProtocol(Protocol):
    """A Learner, in this process or spread over others (rl.remote); calls take long, and are made from a thread."""

    def learn(self, groups: Sequence[Rewarded]) -> dict[str, float]:
        """See Learner.learn."""
        ...

    def weights(self) -> Weights:
        """See Learner.weights."""
        ...

    def save(self, folder: Path, state: dict[str, Any]) -> None:
        """See Trainer.save."""
        ...

    def restore(self, folder: Path) -> dict[str, Any]:
        """See Trainer.restore."""
        ...

    def write(self, folder: Path) -> None:
        """See Trainer.write."""
        ...


class GRPOLoop:
    """A run of GRPO: samples groups of answers, learns from them, and sends new weights to the sampler.

    judges: by family, for each of `config.rollout`.
    asked: number of the next group to ask; taken: of the first one that has not been learnt from.
    """

    def __init__(
        self,
        config: GRPOConfig,
        folder: TrainFolder,
        problems: Sequence[Problem],
        learner: LearnerProtocol,
        sampler: Sampler,
        judges: Mapping[str, Judge],
    ) -> None:
        self.config, self.folder, self.learner, self.sampler, self.judges = config, folder, learner, sampler, judges
        self.choices = [(problem, family) for problem in problems for family in config.rollout.families]
        self.prompt_sampler = PromptSampler(len(self.choices), config.selection, config.seed)
        self.asked = self.taken = self.batches = self.finished = 0
        self.drawn: dict[int, int] = {}  # of the groups that have not been learnt from: which choice it is
        self.running: dict[int, asyncio.Task[RolloutGroup]] = {}
        self.groups: dict[int, RolloutGroup] = {}  # those that are there, and have not been learnt from
        self.updating: asyncio.Task[None] | None = None
        self.busy = StageTimer()

    async def run(self) -> None:
        """Make all updates, from the newest checkpoint on, and write the model.

        Raises ConfigError, PolicyUnavailable if no answers come, Interrupted.
        """
        try:
            await self._updates()
        finally:
            await self._stop()
        await asyncio.to_thread(self.learner.write, self.folder.path / "model")

    async def _updates(self) -> None:
        if state := await asyncio.to_thread(self.folder.restore, self.learner):
            self.asked = self.taken = state["taken"]
            self.batches = self.finished = state["finished"]
            self.drawn = {int(number): choice for number, choice in state["drawn"].items()}
            self.prompt_sampler.restore(state["chooser"])
        else:
            await asyncio.to_thread(self._remember, self.config.selection.answers)
        self.folder.trim("answers.jsonl", lambda row: row["number"] < self.taken)
        await self._renew(wait=True)  # until now the engine may hold other weights: the base model's, an earlier run's
        clock = UpdateClock(self.config.updates, self.finished, self.config.save_every)
        answers = JsonlWriter(self.folder.path / "answers.jsonl")
        try:
            while self.finished < clock.total:
                waited = time.monotonic()
                found = await self._batch()
                if found is None:
                    raise await self._interrupted()
                dropped, batch = found
                waited = time.monotonic() - waited
                every = sorted((*dropped, *batch), key=lambda group: group.asked.number)
                answers.append(group.as_row() for group in every)
                figures = await self._update(batch, dropped)
                self.folder.record(self.finished, figures | {"seconds/waiting": waited})
                told = _describe(figures, waited)
                self.folder.say(f"{clock.update(self.finished)}  {told}  {clock.remaining(self.finished)}")
                if clock.saves(self.finished):
                    await asyncio.to_thread(self.folder.save, self.learner, self.finished, self._state())
            if self.updating is not None:  # cancelled, it would leave a server without any weights
                await self.updating
        finally:
            answers.close()

    async def _interrupted(self) -> Interrupted:
        if self.updating is not None:  # cancelled, it would leave a server without any weights
            await self.updating
        stopped, state = self.folder.interrupted, self._state()
        return await asyncio.to_thread(stopped, self.learner, self.finished, self.config.updates, state)

    def _remember(self, answers: Sequence[Path]) -> None:
        """Begin with the theorems' success rates in earlier runs. Raises ConfigError."""
        places = {
            ("".join(problem.theorem.exact_text), family): place for place, (problem, family) in enumerate(self.choices)
        }
        for told in (told for path in answers for told in read(path)):
            if (place := places.get(("".join(told.problem.theorem.exact_text), told.family))) is not None:
                self.prompt_sampler.update(place, told.proved, len(told.answers))

    def _state(self) -> dict[str, Any]:
        return {
            "taken": self.taken,
            "finished": self.finished,
            "drawn": self.drawn,
            "chooser": self.prompt_sampler.state,
        }

    async def _stop(self) -> None:
        tasks = [*self.running.values(), *([self.updating] if self.updating else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Asking

    def _ask(self) -> None:
        """Ask as many groups as may be under way; theorems that were drawn before a kill are not drawn again."""
        last = min(self.finished + self.config.staleness, self.config.updates - 1)
        while self._update_of(self.asked) <= last:
            if self.asked not in self.drawn:
                self.drawn[self.asked] = self.prompt_sampler.sample(self.asked, set(self.drawn.values()))
            problem, family = self.choices[self.drawn[self.asked]]
            asked = RolloutRequest(self.asked, problem, family, self.finished)
            self.running[self.asked] = asyncio.create_task(self._group(asked))
            self.asked += 1

    def _update_of(self, number: int) -> int:
        """The latest update that group `number` can belong to: the one if all groups before it are of use."""
        update, useful, tried, size = self.batches, 0, 0, self.config.prompts_per_step
        for earlier in range(self.taken, number):
            tried += 1
            useful += earlier in self.running or self._of_use(self.groups[earlier])
            if useful == size or tried == _TRIES * size:
                update, useful, tried = update + 1, 0, 0
        return update

    def _of_use(self, group: RolloutGroup) -> bool:
        """Whether a group can be learnt from."""
        return bool(group.answers) and (group.has_signal or not self.config.selection.drop_zero_variance_groups)

    async def _group(self, asked: RolloutRequest) -> RolloutGroup:
        config = self.config
        how = sampling_params(config.rollout, config.seed, asked.number, replay=True)
        return await rollout_group(self.sampler, self.judges, asked, config.rollout.num_generations, how, self.busy)

    async def _batch(self) -> tuple[list[RolloutGroup], list[RolloutGroup]] | None:
        """The next update's groups, when they are complete: those that are dropped, and those to learn from.

        None if the run is to stop.
        """
        while not self.folder.stop.is_set():
            self._ask()
            if found := self._ready():
                return found
            if self.folder.due():
                there, size = len(self.groups), self.config.prompts_per_step
                self.folder.say(
                    f"update {self.finished + 1}: answers to {min(there, size)} of {size} theorems are there"
                )
            done, _ = await asyncio.wait(self.running.values(), timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
            for number in [n for n, task in self.running.items() if task in done]:
                self.groups[number] = self.running.pop(number).result()
        return None

    def _ready(self) -> tuple[list[RolloutGroup], list[RolloutGroup]] | None:
        """The same from the groups that are complete, in the order of their numbers; None if one is missing."""
        dropped, batch, number = list[RolloutGroup](), list[RolloutGroup](), self.taken
        while len(batch) < self.config.prompts_per_step and number < self.taken + _TRIES * self.config.prompts_per_step:
            if number not in self.groups:
                return None
            group = self.groups[number]
            (batch if self._of_use(group) else dropped).append(group)
            number += 1
        for taken in range(self.taken, number):
            group = self.groups.pop(taken)
            # One without answers, whose prompt does not fit, is as one that is never proved: not worth asking again.
            tried = len(group.answers) or self.config.rollout.num_generations
            self.prompt_sampler.update(self.drawn.pop(taken), group.proved, tried)
        self.taken, self.batches = number, self.batches + 1
        return dropped, batch

    # Learning

    async def _update(self, batch: Sequence[RolloutGroup], dropped: Sequence[RolloutGroup]) -> dict[str, float]:
        began, figures = time.monotonic(), dict[str, float]()
        if batch:
            config = self.config
            material = [(g.training_samples(config.replay_experts, config.replay_truncation), g.rewards) for g in batch]
            figures = await asyncio.to_thread(self.learner.learn, material)
        seconds = time.monotonic() - began
        figures |= self._figures(batch, dropped) | {"seconds/training": seconds}
        self.finished += 1
        if batch:
            await self._renew(wait=not self.config.staleness)
        return figures

    async def _renew(self, wait: bool) -> None:
        """Send the newest weights to the sampler. Without `wait`, it answers with the old ones meanwhile."""
        if self.updating is not None:
            await self.updating
        weights = await asyncio.to_thread(lambda: list(self.learner.weights()))
        self.updating = asyncio.create_task(self.sampler.update(weights))
        await asyncio.sleep(0)  # it has been told before anything more is asked
        if wait:
            await self.updating

    def _figures(self, batch: Sequence[RolloutGroup], dropped: Sequence[RolloutGroup]) -> dict[str, float]:
        every = [*batch, *dropped]
        answers = [answer for group in every for answer in group.answers]
        grades = [grade for group in every for grade in group.graded]
        lengths = [len(answer.tokens) for answer in answers]
        self.busy.settle()
        busy, self.busy.written, self.busy.checked, self.busy.only_checked = vars(self.busy).copy(), 0.0, 0.0, 0.0
        return {
            "proved": fmean(grade.verdict.proved for grade in grades) if grades else 0.0,
            "proved_theorems": fmean(group.proved > 0 for group in every) if every else 0.0,
            "reward": fmean(grade.reward for grade in grades) if grades else 0.0,
            "readable": fmean(grade.readable for grade in grades) if grades else 0.0,
            "groups": len(batch),
            "groups/dropped": len(dropped),
            "groups/all_proved": sum(group.proved == len(group.answers) for group in dropped if group.answers),
            "groups/none_proved": sum(group.proved == 0 for group in dropped if group.answers),
            "length": fmean(lengths) if lengths else 0.0,
            "length/longest": max(lengths, default=0),
            "cut_off": fmean(not answer.finished for answer in answers) if answers else 0.0,
            "staleness": max((self.finished - group.asked.version for group in batch), default=0),
            "tokens": sum(lengths),
            "seconds/writing": busy["written"],
            "seconds/checking": busy["checked"],
            "seconds/only_checking": busy["only_checked"],
        }


def _describe(figures: Mapping[str, float], waited: float) -> str:
    asked = figures["groups"] + figures["groups/dropped"]
    parts = [
        f"proved {figures['proved']:.1%} of answers, {figures['proved_theorems']:.1%} of theorems",
        f"learnt from {figures['groups']} of {asked} theorems",
        f"{figures['length']:.0f} tokens an answer",
    ]
    parts += [f"entropy {figures['entropy']:.3f}"] if "entropy" in figures else []
    parts += [f"kl {figures['kl']:.4f}"] if figures.get("kl") else []
    return "  ".join([*parts, f"{waited:.1f} s waiting, {figures['seconds/training']:.1f} s training"])
