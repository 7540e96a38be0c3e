"""The whole loop on toys: our model, our generator, our learner; what an answer earns is a matter of its first letter.

And the loop alone, with a sampler and a learner that only count: which group belongs to which update.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from data import Theorem
from data.problems import Problem
from lean_env import Reason, Verdict
from prover.engines.base import Answer
from prover.model import checkpoint, tokenizer
from prover.model.router import Router
from prover.model.sampling_params import SamplingParams
from prover.policy import Prompt
from rl import grpo
from rl.batch import TrainingSample, make_batch, pack_rows
from rl.config import GRPOConfig
from rl.folder import TrainFolder
from rl.groups import RolloutRequest
from rl.learner import Learner, Rewarded
from rl.losses import PolicyLoss, advantages
from rl.model import ModelSource
from rl.reward import RewardResult
from rl.rollout import StageTimer, rollout_group, sampling_params
from rl.samplers import EngineSampler, RolloutConfig, Weights, load_native_engine
from rl.selection import Selection
from rl.trainer import Moe, Optimiser

PROBLEMS = [Problem(name, Theorem(name, f"theorem {name} : {name} = {name}")) for name in ("a", "b", "c")]
FAMILY = "deepseek-v1.5-noncot"


def verdict(proved: bool) -> Verdict:
    return Verdict(Reason.PROVED if proved else Reason.ERROR, "")


class FirstLetter:
    """A judge that pays for answers that begin with certain letters."""

    def __init__(self, letters: str) -> None:
        self.letters = letters

    async def grade(self, prompt: Prompt, answer: str, finished: bool = True) -> RewardResult:
        right = answer[:1] != "" and answer[0] in self.letters
        return RewardResult(float(right), verdict(right), answer)

    async def group(
        self, problem: Problem, answers: Sequence[str], graded: Sequence[RewardResult]
    ) -> Sequence[RewardResult]:
        return graded


def configured(folder: Path, **changes: Any) -> GRPOConfig:
    fields: dict[str, Any] = {
        "model": ModelSource(folder=str(folder)),
        "problems": [Path("none")],
        "context": 128,
        "prompts_per_step": 4,
        "updates": 22,
        "staleness": 0,
        "optimiser": Optimiser(lr=1.5e-2, weight_decay=0, betas=(0.9, 0.95)),
        "loss": PolicyLoss(kl=0),
        "save_every": 1000,
    }
    fields["rollout"] = RolloutConfig(
        **{"num_generations": 24, "max_tokens": 2, "families": [FAMILY], **changes.pop("rollout", {})}
    )
    return GRPOConfig(**{**fields, **changes})


async def trained(config: GRPOConfig, place: Path, judge: Any) -> tuple[TrainFolder, Any]:
    """The folder of a run, and who learnt in it."""
    words = tokenizer.load(config.model.folder)
    sampler = EngineSampler(load_native_engine(config.model.folder, words, config.rollout.max_num_seqs))
    folder = TrainFolder(place)
    try:
        with folder.working("grpo", config, {}):
            learner = Learner(config, words)
            await grpo.GRPOLoop(config, folder, PROBLEMS, learner, sampler, {FAMILY: judge}).run()
    finally:
        await sampler.close()
    return folder, learner


LETTERS = "abcdefghijklmnopqrstuvwxyz"
TRUNCATED = {"top_p": 0.9, "temperature": 0.9}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"staleness": 0},
        {"staleness": 1},
        {
            "staleness": 1,
            "minibatches": 2,
            "loss": PolicyLoss(kl=0, clip_high=0.28, off_policy_mask_threshold=0.5, weighting="token"),
        },
        {"staleness": 0, "rollout": TRUNCATED, "loss": PolicyLoss(kl=0.001, weighting="dr-grpo")},
    ],
    ids=["on-policy", "one behind", "one behind, two steps", "truncated"],
)
async def test_it_comes_to_do_what_is_paid_for(small: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    config = configured(small, **changes)
    folder, learner = await trained(config, tmp_path / "run", FirstLetter(LETTERS))
    rows = folder.metrics()
    assert rows[0]["proved"] < 0.5
    assert sum(row["proved"] for row in rows[-4:]) / 4 >= 0.95
    assert max(row["staleness"] for row in rows) == config.staleness
    assert len(rows) == config.updates
    apart = max(row["mismatch"] for row in rows if row["groups"])
    assert apart > 0.01 if config.staleness else apart < 1e-3  # the newest weights, and what they did is replayed
    written = checkpoint.load(tmp_path / "run" / "model")
    for name, weights in learner.trainer.model.state_dict().items():
        assert torch.equal(written.state_dict()[name], weights), name


async def test_groups_that_teach_nothing_end_cleanly(small: Path, tmp_path: Path) -> None:
    """All answers earn the same: nothing is learnt from them, if they are replaced or not."""
    for replace in (True, False):
        still = Moe(aux_loss_coef=0, bias_update_speed=0)  # Adam makes whole steps of the smallest gradient
        config = configured(
            small, prompts_per_step=2, updates=3, selection=Selection(drop_zero_variance_groups=replace), moe=still
        )
        folder, learner = await trained(config, tmp_path / str(replace), FirstLetter(""))
        rows, before = folder.metrics(), checkpoint.load(small).state_dict()
        assert len(rows) == 3
        assert [row["groups"] for row in rows] == [0 if replace else 2] * 3
        assert all(row["groups/none_proved"] == (8 if replace else 0) for row in rows)
        for name, weights in learner.trainer.model.state_dict().items():
            assert torch.equal(weights, before[name]), name


async def test_what_the_generator_did_is_computed_again(small: Path) -> None:
    """In a packed batch, and though the routers would choose other experts by now."""
    rollout = RolloutConfig(temperature=0.8, top_p=0.9, max_tokens=6)
    sampler = EngineSampler(load_native_engine(str(small), tokenizer.load(str(small)), 8))
    asked, how = RolloutRequest(0, PROBLEMS[0], FAMILY), sampling_params(rollout, 0, 0, replay=True)
    try:
        group = await rollout_group(sampler, {FAMILY: FirstLetter(LETTERS)}, asked, 5, how, StageTimer())  # type: ignore[dict-item]
    finally:
        await sampler.close()
    model = checkpoint.load(small)
    for module in model.modules():
        if isinstance(module, Router):
            module.e_score_correction_bias.copy_(torch.randn(module.e_score_correction_bias.shape))

    def apart(experts: bool, truncation: bool, temperature: float) -> float:
        texts = group.training_samples(experts, truncation)
        batch = make_batch(texts, pack_rows([len(text) for text in texts], 400), 400)
        told = model(
            batch.tokens,
            batch.targets,
            batch.segments,
            batch.expert_ids,
            batch.candidate_token_ids,
            temperature,
            parent_segment_ids=batch.parent_segment_ids,
        ).logprobs
        return float((told - batch.sampler_logprobs)[batch.loss_mask].abs().max().detach())

    assert apart(True, True, 0.8) < 1e-4
    assert apart(True, False, 1.0) < 1e-4  # those before temperature and truncation
    assert apart(False, True, 0.8) > 1e-3


# ---- a step of the learner, written out ----


def answers(source: torch.Generator, count: int, prompt: list[int], vocabulary: int) -> list[TrainingSample]:
    found = []
    for _ in range(count):
        length = int(torch.randint(1, 8, (1,), generator=source))
        tokens = (*prompt, *torch.randint(vocabulary, (length,), generator=source).tolist())
        found.append(
            TrainingSample(tokens, len(prompt), tuple((-5.5 + torch.randn(length, generator=source) / 3).tolist()))
        )
    return found


@pytest.mark.parametrize("weighting", ["sequence", "token", "dr-grpo"])
def test_a_step_is_the_written_out_one(small: Path, weighting: Any) -> None:
    """From each text alone: the loss, what is told, and the gradient's norm."""
    how = PolicyLoss(kl=0.3, importance_ratio_cap=1.5, off_policy_mask_threshold=0.1, weighting=weighting)
    config = configured(small, loss=how, context=30, micro_batch=2, moe=Moe(aux_loss_coef=0, bias_update_speed=0))
    words = tokenizer.load(str(small))
    learner, source = Learner(config, words), torch.Generator().manual_seed(5)
    model, began = checkpoint.load(small), checkpoint.load(small)
    with torch.no_grad():  # it has learnt already
        for weights in (learner.trainer.model, model):
            noise = torch.Generator().manual_seed(1)
            for parameter in weights.parameters():
                parameter += 0.02 * torch.randn(parameter.shape, generator=noise)
    groups: list[Rewarded] = [
        (answers(source, 5, [0, 7, 9 + k], len(words)), [1.0, 0.0, 0.0, 1.0, float(k)]) for k in range(3)
    ]
    told = learner.learn(groups)

    every = [text for texts, _ in groups for text in texts]
    lengths = [len(text.tokens) - text.start for text in every]
    better = [
        a for _, rewards in groups for a in advantages(torch.tensor([rewards]), weighting != "dr-grpo")[0].tolist()
    ]
    loss, distance = torch.zeros(()), 0.0
    for text, length, advantage in zip(every, lengths, better, strict=True):
        now, before = (
            m(torch.tensor([text.tokens]))
            .logits[0]
            .log_softmax(1)[text.start - 1 : -1]
            .gather(1, torch.tensor(text.tokens[text.start :]).unsqueeze(1))[:, 0]
            for m in (model, began)
        )
        drawn, before = torch.tensor(text.sampler_logprobs), before.detach()
        weight = {
            "sequence": 1 / (len(every) * length),
            "token": 1 / sum(lengths),
            "dr-grpo": 1 / (len(every) * config.rollout.max_tokens),
        }[weighting]
        masked = advantage < 0 and float((drawn - now.detach()).mean()) > 0.1
        correction = (now.detach() - drawn).exp().clamp(max=1.5)
        k3 = (now - drawn).exp() * ((before - now).exp() - (before - now) - 1)
        gain = correction * (now - now.detach()).exp() * advantage * (not masked)  # nothing is clipped: the ratio is 1
        loss = loss + weight * (0.3 * k3 - gain).sum()
        distance += float(k3.detach().sum())
    loss.backward()
    norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    assert told["loss"] == pytest.approx(float(loss.detach()), rel=1e-4)
    assert told["norm"] == pytest.approx(float(norm), rel=1e-3)
    assert told["kl"] == pytest.approx(distance / sum(lengths), rel=1e-3)


# ---- the loop alone ----


class Counting:
    """A sampler and a learner: answers say with how many updates behind them they were written.

    script: of the k-th group that is asked for, what each answer earns; None: its prompt does not fit.
    """

    def __init__(self, script: Callable[[int], Sequence[int] | None], seed: int) -> None:
        self.script, self.chance = script, random.Random(seed)
        self.asked = self.updates = self.updated = self.done = 0
        self.dies = 0  # with this update
        self.learnt: list[list[int]] = []  # of each update, how far behind its groups are

    async def answers(self, prompt: Prompt, family: str, n: int, sampling: SamplingParams) -> AsyncGenerator[Answer]:
        assert self.updated  # until then it may hold other weights
        number, version = self.asked, self.updates - 1
        self.asked += 1
        earned = self.script(number)
        for k in range(n):
            await asyncio.sleep(self.chance.random() * 0.004)
            if earned is None:
                yield Answer.failed("too long")
            else:
                yield Answer(
                    f"{earned[k]} {version} {k}", tokens=(k, 1), log_probs=(-1.0, -1.0), prompt_tokens=(version,)
                )

    async def update(self, weights: Weights) -> None:
        self.updates += 1
        await asyncio.sleep(self.chance.random() * 0.01)
        self.updated += 1

    def learn(self, groups: Sequence[Rewarded]) -> dict[str, float]:
        if self.done + 1 == self.dies:
            raise RuntimeError("killed")
        self.learnt.append([self.done - texts[0].tokens[0] for texts, _ in groups])
        self.done += 1
        return {}

    def weights(self) -> Weights:
        return []

    def save(self, folder: Path, state: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "state").write_text(json.dumps([self.done, state]), "utf-8")

    def restore(self, folder: Path) -> dict[str, Any]:
        self.done, state = json.loads((folder / "state").read_text("utf-8"))
        self.updates = self.done
        return state

    def write(self, folder: Path) -> None: ...

    async def grade(self, prompt: Prompt, answer: str, finished: bool = True) -> RewardResult:
        await asyncio.sleep(self.chance.random() * 0.004)
        return RewardResult(float(answer.split()[0]), verdict(answer[0] == "1"))

    async def group(
        self, problem: Problem, answers: Sequence[str], graded: Sequence[RewardResult]
    ) -> Sequence[RewardResult]:
        return graded


async def looped(
    place: Path, script: Callable[[int], Sequence[int] | None], seed: int = 0, dies: int = 0, **changes: Any
) -> tuple[Counting, list[dict[str, Any]], list[dict[str, Any]]]:
    """What was learnt, the metrics and the rows of answers."""
    config = configured(Path("none"), **{"rollout": {"num_generations": 2}, **changes})
    counting, folder = Counting(script, seed), TrainFolder(place)
    counting.dies = dies
    with folder.working("grpo", config, {}):
        await grpo.GRPOLoop(config, folder, PROBLEMS, counting, counting, {FAMILY: counting}).run()  # type: ignore[arg-type]
    rows = [json.loads(line) for line in (place / "answers.jsonl").read_text("utf-8").splitlines()]
    return counting, folder.metrics(), rows


@pytest.mark.parametrize("staleness", [0, 1, 2])
@pytest.mark.parametrize("replace", [True, False])
async def test_no_group_is_learnt_from_too_late(tmp_path: Path, staleness: int, replace: bool) -> None:
    """Whichever is there first: all are learnt from in their order, and no later than is allowed."""
    for seed in range(4):
        chance = random.Random(seed)
        earns = [chance.choice([(0, 1), (1, 0), (1, 1), (0, 0)]) for _ in range(400)]
        groups = 1 + seed % 3
        counting, metrics, rows = await looped(
            tmp_path / str(seed),
            lambda number, earns=earns: earns[number],  # type: ignore[misc]
            seed,
            prompts_per_step=groups,
            updates=8,
            staleness=staleness,
            selection=Selection(drop_zero_variance_groups=replace),
        )
        rows.sort(key=lambda row: row["number"])
        assert [row["number"] for row in rows] == list(range(len(rows)))
        assert [{answer["reward"] for answer in row["answers"]} for row in rows] == [set(e) for e in earns[: len(rows)]]
        assert len(metrics) == 8
        behind = [number for update in counting.learnt for number in update]
        assert max(behind) <= staleness
        assert max(row["staleness"] for row in metrics) <= staleness
        assert counting.asked == len(rows)  # nothing is written that nobody learns from
        assert counting.updated == counting.updates  # an update that is cancelled leaves a server without weights
        if staleness:
            assert max(behind) > 0
        if not replace:
            assert all(len(update) == groups for update in counting.learnt)


async def test_when_hardly_any_group_is_of_use_it_makes_do(tmp_path: Path) -> None:
    """… with those of 4 times as many as it wants; and what it has asked too early then is no staler for it."""
    for staleness in (0, 1):
        counting, metrics, _ = await looped(
            tmp_path / str(staleness),
            lambda number: (0, 1) if number >= 7 else (0, 0),
            prompts_per_step=2,
            updates=4,
            staleness=staleness,
        )
        assert metrics[0]["groups"] == 1
        assert max(behind for update in counting.learnt for behind in update) <= staleness


@pytest.mark.parametrize("replace", [True, False])
async def test_prompts_that_do_not_fit_are_passed_over(tmp_path: Path, replace: bool) -> None:
    counting, metrics, rows = await looped(
        tmp_path / "run",
        lambda number: None if number % 3 == 0 else (0, 1),
        prompts_per_step=2,
        updates=3,
        selection=Selection(drop_zero_variance_groups=replace),
    )
    assert [len(update) for update in counting.learnt] == [2, 2, 2]
    assert sum(not row["answers"] for row in rows) == 3
    assert sum(row["groups/all_proved"] for row in metrics) == 0


@pytest.mark.parametrize("staleness", [0, 1])
async def test_a_run_that_was_killed_leaves_nothing_twice(tmp_path: Path, staleness: int) -> None:
    """Its last update before that had no group of use: the third of four, after a checkpoint of the second."""
    how: dict[str, Any] = {"prompts_per_step": 1, "updates": 4, "save_every": 2, "staleness": staleness}
    with pytest.raises(RuntimeError, match="killed"):
        await looped(tmp_path / "run", lambda number: (0, 0) if 2 <= number < 6 else (0, 1), dies=3, **how)
    _, metrics, rows = await looped(tmp_path / "run", lambda number: (0, 1), **how)
    assert len(metrics) == 4
    assert sorted(row["number"] for row in rows) == list(range(len(rows)))


@pytest.mark.parametrize("staleness", [0, 1, 2])
async def test_a_run_that_was_killed_asks_the_same_theorems(tmp_path: Path, staleness: int) -> None:
    chance = random.Random(1)
    earns = [chance.choice([(0, 1), (0, 0), (1, 1)]) for _ in range(100)]
    how: dict[str, Any] = {"prompts_per_step": 2, "updates": 12, "save_every": 1, "staleness": staleness}
    how["selection"] = Selection(drop_zero_variance_groups=False)
    _, _, whole = await looped(tmp_path / "whole", lambda number: earns[number], **how)
    with pytest.raises(RuntimeError, match="killed"):
        await looped(tmp_path / "run", lambda number: earns[number], dies=6, **how)
    _, _, rows = await looped(tmp_path / "run", lambda number: earns[number + 10], **how)
    assert [row["name"] for row in rows] == [row["name"] for row in whole]


async def test_prompts_that_do_not_fit_are_hardly_asked_again(tmp_path: Path) -> None:
    class Narrow(Counting):
        async def answers(
            self, prompt: Prompt, family: str, n: int, sampling: SamplingParams
        ) -> AsyncGenerator[Answer]:
            self.script = lambda number: None if prompt.theorem.name == "a" else (0, 1)
            async for answer in super().answers(prompt, family, n, sampling):
                yield answer

    config, folder = (
        configured(Path("none"), prompts_per_step=1, updates=60, rollout={"num_generations": 2}),
        TrainFolder(tmp_path),
    )
    narrow = Narrow(lambda number: None, 0)
    with folder.working("grpo", config, {}):
        await grpo.GRPOLoop(config, folder, PROBLEMS, narrow, narrow, {FAMILY: narrow}).run()  # type: ignore[arg-type]
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text("utf-8").splitlines()]
    assert sum(row["name"] == "a" for row in rows) < len(rows) / 6


async def test_which_update_a_group_belongs_to_is_no_matter_of_time(tmp_path: Path) -> None:
    chance = random.Random(3)
    earns = [chance.choice([(0, 1), (0, 0), (0, 0), (1, 1), (0, 0)]) for _ in range(400)]
    found = []
    for seed in range(5):  # of how long everything takes
        counting, metrics, rows = await looped(
            tmp_path / str(seed), lambda number: earns[number], seed, prompts_per_step=2, updates=8, staleness=1
        )
        found.append((list(map(len, counting.learnt)), [row["groups"] for row in metrics], len(rows)))
    assert found == found[:1] * 5
