"""Our reward inside the libraries themselves: TRL's trainer, verl's reward manager (skipped where they are missing)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.problems import ProblemError
from lean_env import LeanPool
from lean_env.embedded import install
from prover.prompts import FAMILIES
from rl.adapters import messages
from rl.adapters import verl as for_verl
from rl.adapters.trl import LeanReward, examples
from rl.reward import Judge

CHAT, TEXT = FAMILIES["deepseek-v2-noncot"], FAMILIES["deepseek-v1.5-noncot"]
CHEATS = (
    "sorry-behind-try",
    "native-decide",
    "circular-proof",
    "option-inside-grind",
    "challenge-axiom-under-another-variable",
)
FIXTURES = Path(__file__).parents[1] / "fixtures" / "verdicts"
ROWS = [
    {"name": "swap", "formal_statement": "theorem swap (p q : Prop) : p ∧ q → q ∧ p := by sorry"},
    {"name": "twice", "header": "def twice (n : Nat) := n + n", "formal_statement": "theorem two : twice 1 = 2 := by"},
]
PROOFS = ["  intro h\n  exact ⟨h.2, h.1⟩\n", "  rfl\n"]
WRONG = ["  intro h\n  exact h\n", "  omega\n"]


def in_block(row: dict[str, Any], proof: str) -> str:
    statement = row["formal_statement"].removesuffix("sorry").rstrip()
    return f"So:\n```lean4\n{statement}\n{proof}```"


def cheats() -> Iterator[tuple[dict[str, str], str]]:
    cases = [case for path in sorted(FIXTURES.glob("*.yaml")) for case in yaml.safe_load(path.read_text("utf-8"))]
    for case in cases:
        if case["id"] in CHEATS:
            yield {"formal_statement": case["challenge"]}, f"```lean4\n{case['solution']}```"


def made(family: Any) -> LeanReward:
    install.install()
    return LeanReward(Judge(LeanPool(workers=2), family))


@pytest.fixture(scope="module")
def chat_reward() -> Iterator[LeanReward]:
    reward = made(CHAT)
    yield reward
    reward.close()


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """As TRL hands them over: what a row lacks is None."""
    return {name: [row.get(name) for row in rows] for name in {name for row in rows for name in row}}


def test_proofs_earn_1_and_cheats_0(chat_reward: LeanReward) -> None:
    honest = [(row, in_block(row, proof)) for row, proof in zip(ROWS, PROOFS, strict=True)]
    wrong = [(row, in_block(row, proof)) for row, proof in zip(ROWS, WRONG, strict=True)]
    known = list(cheats())
    assert len(known) == len(CHEATS)
    pairs = [*honest, *wrong, *known, (ROWS[0], "It is obvious.")]
    said: dict[str, list[str]] = {}
    rewards = chat_reward(
        prompts=[messages(row, CHAT) for row, _ in pairs],
        completions=[[{"role": "assistant", "content": answer}] for _, answer in pairs],
        completion_ids=[[0]] * len(pairs),
        trainer_state=object(),
        log_extra=said.__setitem__,
        **columns([row for row, _ in pairs]),
    )
    assert rewards == [1.0, 1.0, *[0.0] * (len(pairs) - 2)]
    assert said["verdict"][:2] == ["proved", "proved"]
    assert set(said["verdict"][4:-1]) >= {"sorry", "forbidden", "error"}
    assert said["verdict"][-1] == "answer"


def test_a_row_without_a_theorem_is_told(chat_reward: LeanReward) -> None:
    with pytest.raises(ProblemError, match="formal_statement"):
        chat_reward(prompts=["p"], completions=["c"], problem=["prove something"])


@pytest.mark.slow
def test_a_program_that_forgets_to_close_ends_and_leaves_no_process_behind() -> None:
    program = """
        from lean_env import LeanPool
        from prover.prompts import FAMILIES
        from rl.adapters.trl import LeanReward
        from rl.reward import Judge

        pool = LeanPool(workers=1)
        reward = LeanReward(Judge(pool, FAMILIES["deepseek-v1.5-noncot"]))
        print(reward(prompts=["p"], completions=["  rfl"], formal_statement=["theorem t : 1 = 1 := by"]), *pool.pids)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    rewards, *pids = done.stdout.split()
    assert rewards == "[1.0]"
    assert len(pids) == 2  # one proves, one confirms
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_trl_trains_a_model_with_it(tmp_path: Path) -> None:
    """A model that has learnt nothing; one answer of each group is replaced by the proof, as if it had been drawn."""
    pytest.importorskip("trl")
    import torch
    import transformers
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from prover.model import tokenizer

    rows = examples(ROWS, TEXT)
    words = tokenizer.train([row["prompt"] for row in rows] + PROOFS, 300)
    torch.manual_seed(0)
    shape = transformers.LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id,
    )  # fmt: skip
    model, lean = transformers.LlamaForCausalLM(shape), made(TEXT)
    before = [p.detach().clone() for p in model.parameters()]
    seen: list[tuple[str, float]] = []

    def reward(prompts: list[str], completions: list[str], **others: Any) -> list[float]:
        proofs = {row["prompt"]: proof for row, proof in zip(rows, PROOFS, strict=True)}
        tampered = [proofs[p] if k % 4 == 0 else c for k, (p, c) in enumerate(zip(prompts, completions, strict=True))]
        rewards = lean(prompts=prompts, completions=tampered, **others)
        seen.extend(zip(tampered, rewards, strict=True))
        return rewards

    args = GRPOConfig(
        output_dir=str(tmp_path), use_cpu=True, per_device_train_batch_size=8, num_generations=4,
        max_completion_length=8, max_steps=2, learning_rate=1e-2, logging_steps=1, save_strategy="no", report_to=[],
        gradient_checkpointing=False, bf16=False, disable_tqdm=True,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model, reward_funcs=reward, args=args, train_dataset=Dataset.from_list(rows), processing_class=words
    )
    trainer.train()
    lean.close()
    assert len(seen) == 16
    assert {answer for answer, earned in seen if earned == 1.0} == set(PROOFS)
    assert sum(earned for _, earned in seen) == 4
    assert [log["reward"] for log in trainer.state.log_history if "reward" in log] == [0.25, 0.25]
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


# ---- verl ----

OPTIONS: dict[str, Any] = {"family": CHAT.name, "format": 0.1}


@pytest.fixture(scope="module")
def verl_closed() -> Iterator[None]:
    install.install()
    yield
    for_verl._grader(**OPTIONS).close()
    for_verl._made.cache_clear()


@pytest.mark.slow
async def test_verls_function_scores_side_by_side(verl_closed: None) -> None:
    rows = [for_verl.row(row, CHAT.name) for row in ROWS]
    assert [row["prompt"] for row in rows] == [messages(row, CHAT) for row in ROWS]
    answers = [in_block(ROWS[0], PROOFS[0]), in_block(ROWS[1], WRONG[1]), "no proof"]
    truths = [rows[k]["reward_model"]["ground_truth"] for k in (0, 1, 1)]
    scored = await asyncio.gather(
        *(for_verl.compute_score("lean", a, t, **OPTIONS) for a, t in zip(answers, truths, strict=True))
    )
    assert [s["score"] for s in scored] == [1.0, 0.0, -0.1]
    assert [s["acc"] for s in scored] == [1.0, 0.0, 0.0]
    assert [s["reason"] for s in scored] == ["proved", "error", "answer"]
    assert await asyncio.to_thread(for_verl.score, "lean", answers[0], truths[0], **OPTIONS) == 1.0


async def test_what_is_no_problem_is_told(verl_closed: None) -> None:
    for truth in ("42", "rfl", json.dumps({"statement": "p"})):
        with pytest.raises(ProblemError):
            await for_verl.compute_score("lean", "answer", truth, **OPTIONS)


async def test_verls_reward_manager_uses_it(verl_closed: None) -> None:
    verl = pytest.importorskip("verl")
    import numpy as np
    import torch
    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import load_reward_manager

    from prover.model import tokenizer

    given = {"path": "pkg://rl.adapters.verl", "name": "compute_score", "reward_kwargs": OPTIONS}
    config = OmegaConf.create(
        {"reward": {"custom_reward_function": given, "reward_manager": {"source": "register", "name": "naive"}}}
    )
    answers = [in_block(row, proof) for row, proof in zip(ROWS, PROOFS, strict=True)] + [a for _, a in cheats()]
    rows = [*ROWS, *(row for row, _ in cheats())]
    words = tokenizer.train(answers, 300)
    manager = load_reward_manager(config, words)
    results = []
    for row, answer in zip(rows, answers, strict=True):
        ids = words.encode(answer, add_special_tokens=False)
        fields = for_verl.row(row, CHAT.name)
        data = verl.DataProto.from_dict(
            tensors={
                "prompts": torch.zeros(1, 2, dtype=torch.long),
                "responses": torch.tensor([[*ids, words.pad_token_id]]),
                "attention_mask": torch.tensor([[1, 1, *[1] * len(ids), 0]]),
            },
            non_tensors={name: np.array([fields[name]], dtype=object) for name in ("data_source", "reward_model")}
            | {"extra_info": np.array([{}], dtype=object)},
        )
        results.append(await manager.run_single(data))
    assert [r["reward_score"] for r in results] == [1.0, 1.0, *[0.0] * len(CHEATS)]
    assert results[0]["reward_extra_info"]["reason"] == "proved"
