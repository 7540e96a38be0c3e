"""Compares our GRPO step with TRL's GRPOTrainer: the same model, prompts and settings, in one run, on the CPU.

    python benchmarks/grpo.py [UPDATES]

Samples a second, generation included, of 16 answers to each of 8 prompts, at most 64 new tokens, fp32, one step of the
optimiser for each batch, no reference model. The reward costs nothing, so that only generation and training are
compared; the cost of Lean is in the metrics of a real run (`seconds/only_checking`). TRL has the fastest of its
settings that fit into memory: the implementation of experts, and the micro-batch.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig as TRLConfig
from trl import GRPOTrainer

from data import Theorem
from data.problems import Problem
from data.synthesis import generate
from lean_env import Reason, Verdict
from prover.model import checkpoint, tokenizer
from prover.model.config import PRESETS
from prover.model.transformer import Transformer
from prover.policy import Prompt
from prover.prompts import FAMILIES
from rl import grpo, runs
from rl.config import GRPOConfig
from rl.folder import TrainFolder
from rl.learner import Learner
from rl.model import Placement
from rl.reward import RewardResult

NUM_GENERATIONS, MAX_NEW_TOKENS, FAMILY = 16, 64, "deepseek-v1.5-noncot"
SHAPE = PRESETS["tiny"].replace(
    hidden_size=192, num_hidden_layers=6, intermediate_size=512, num_attention_heads=6,
    moe_intermediate_size=96, n_group=2, topk_group=1, num_nextn_predict_layers=0,
)  # fmt: skip


def hash_reward(answer: str) -> float:
    """Return a reward that costs nothing: 1 for about half of all answers, so that all groups are trained on."""
    return float(hashlib.sha256(answer.encode()).digest()[0] % 2)


class HashJudge:
    """A judge that returns the hash reward, without Lean."""

    async def grade(self, prompt: Prompt, answer: str, finished: bool = True) -> RewardResult:
        """Return the reward of an answer."""
        return RewardResult(hash_reward(answer), Verdict(Reason.PROVED if hash_reward(answer) else Reason.ERROR))

    async def group(
        self, problem: Problem, answers: Sequence[str], graded: Sequence[RewardResult]
    ) -> list[RewardResult]:
        """Return the rewards of a group unchanged."""
        return list(graded)


def our_rate(folder: Path, problems: Sequence[Problem], updates: int, staleness: int) -> tuple[float, float, float]:
    """Return samples per second; seconds of training in a step; seconds of waiting for answers in a step."""
    config = GRPOConfig.model_validate(
        {
            "model": {"folder": str(folder)},
            "problems": ["-"],
            "rollout": {"num_generations": NUM_GENERATIONS, "max_tokens": MAX_NEW_TOKENS},
            "context": 128,
            "micro_batch": 16,
            "prompts_per_step": len(problems),
            "updates": updates + 1,
            "save_every": 10_000,
            "staleness": staleness,
            "selection": {"drop_zero_variance_groups": False},
            "loss": {"kl": 0.0},
            "optimiser": {"lr": 1e-5, "weight_decay": 0.0},
        }
    )
    tok = tokenizer.load(str(folder))

    async def run(run_folder: TrainFolder) -> None:
        learner = Learner(config, tok)
        async with runs.open_sampler(config.model, tok, config.rollout, Placement()) as sampler:
            judges: Any = {FAMILY: HashJudge()}
            await grpo.GRPOLoop(config, run_folder, problems, learner, sampler, judges).run()

    with tempfile.TemporaryDirectory() as out:
        run_folder = TrainFolder(Path(out))
        with run_folder.working("grpo", config, {}):
            asyncio.run(run(run_folder))
        rows = [json.loads(line) for line in (Path(out) / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert all(row.get("norm", 0.0) > 0 for row in rows), "nothing was learnt"
    seconds = [b["time"] - a["time"] for a, b in itertools.pairwise(rows)]
    means = [statistics.median(row[f"seconds/{what}"] for row in rows[1:]) for what in ("training", "waiting")]
    return NUM_GENERATIONS * len(problems) / statistics.median(seconds), *means


class StepTimes(TrainerCallback):
    """A trainer callback that records the time of each step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Record the time."""
        self.times.append(time.perf_counter())


def trl_rate(folder: Path, prompts: Sequence[str], updates: int, experts: str, micro: int) -> float:
    """Return samples per second of TRL."""
    model = transformers.DeepseekV3ForCausalLM.from_pretrained(folder, dtype="float32")
    model.set_experts_implementation(experts)
    batch, step_times = NUM_GENERATIONS * len(prompts), StepTimes()

    def reward(completions: Sequence[str], **_: Any) -> list[float]:
        return [hash_reward(answer) for answer in completions]

    with tempfile.TemporaryDirectory() as out:
        settings = TRLConfig(
            output_dir=out, use_cpu=True, bf16=False, fp16=False, gradient_checkpointing=False,
            per_device_train_batch_size=micro, gradient_accumulation_steps=batch // micro,
            steps_per_generation=batch // micro, num_generations=NUM_GENERATIONS,
            max_completion_length=MAX_NEW_TOKENS, num_iterations=1, beta=0.0, loss_type="grpo", max_steps=updates + 1,
            learning_rate=1e-5, lr_scheduler_type="constant", warmup_steps=0, optim="adamw_torch_fused",
            max_grad_norm=1.0, temperature=1.0, top_p=1.0, top_k=0, shuffle_dataset=False,
            dataloader_pin_memory=False, eval_strategy="no", save_strategy="no", logging_strategy="no", report_to=[],
            disable_tqdm=True, seed=0,
        )  # fmt: skip
        rows = Dataset.from_list([{"prompt": prompt} for prompt in prompts])
        tok = tokenizer.load(str(folder))
        trainer = GRPOTrainer(
            model, reward_funcs=reward, args=settings, train_dataset=rows, processing_class=tok, callbacks=[step_times]
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return batch / statistics.median(b - a for a, b in itertools.pairwise(step_times.times))


def main(updates: int) -> None:
    """Run the benchmark."""
    transformers.logging.set_verbosity_error()
    logging.disable()
    statements = [f"theorem t{k} (a b c : Nat) (h : a ≤ b) : a + {k} ≤ b + {k} + c" for k in range(8)]
    problems = [Problem(f"t{k}", Theorem(f"t{k}", statement)) for k, statement in enumerate(statements)]
    prompts = [FAMILIES[FAMILY].request(Prompt(problem.theorem)).text for problem in problems]
    tok = tokenizer.train([problem.theorem.challenge for problem in generate(seed=0, count=2000)], 2048)
    shape = SHAPE.replace(vocab_size=len(tok), eos_token_id=tok.eos_token_id, bos_token_id=tok.bos_token_id)
    torch.manual_seed(0)
    model = Transformer(shape)
    with torch.no_grad():
        model.lm_head.weight *= 4  # neither flat nor always the same: rewards differ within a group
    print(
        f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} million parameters, {torch.get_num_threads()} threads"
    )
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        checkpoint.save(model, folder)
        tok.save_pretrained(folder)
        best = 0.0
        for experts, micro in (("eager", 32), ("grouped_mm", 32), ("eager", 128), ("grouped_mm", 128)):
            rate = trl_rate(folder, prompts, updates, experts, micro)
            best = max(best, rate)
            print(f"TRL, {experts}, {micro} texts at a time: {rate:.1f} samples/s", flush=True)
        for staleness in (0, 1):
            rate, training, waiting = our_rate(folder, problems, updates, staleness)
            print(
                f"ours, staleness {staleness}: {rate:.1f} samples/s ({training:.2f} s training, "
                f"{waiting:.2f} s waiting for answers): {rate / best:.2f} × TRL's best",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
