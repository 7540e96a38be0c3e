"""Trains a small model from nothing until it proves: a tokenizer, some seconds of training, a checkpoint, samples.

    python examples/model.py FOLDER
    prover prove --statement "∀ a b c : Nat, a < b → c + a < c + b" --policy native --model FOLDER --search sampling

It learns one answer only, the tactic `omega`, to prompts about inequalities; real training is rl/'s.
The folder is a Hugging Face checkpoint: transformers and vLLM load it, too.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch

from data import Theorem
from prover.model import checkpoint, tokenizer
from prover.model.config import PRESETS
from prover.model.generate import Generator, SamplingParams
from prover.model.transformer import Transformer
from prover.policy import Prompt
from prover.prompts import FAMILIES

STEPS, BATCH_SIZE = 120, 8
FAMILY = FAMILIES["deepseek-v1.5-noncot"]  # the policy `native` prompts a model without a chat template in this format
ANSWER = "  omega\n```"


def make_prompts(count: int) -> list[str]:
    """Return prompts for similar statements about inequalities."""
    rng, prompts = random.Random(0), []
    for number in range(count):
        a, b, c = rng.sample("abcdefghijklmnpqrstuvwxyz", 3)
        kind, relation = rng.choice(["Nat", "Int"]), rng.choice("=<≤")
        conclusion = f"{c} + {a} {relation} {c} + {b}"
        if rng.random() < 0.5:
            statement = f"theorem t{number} ({a} {b} {c} : {kind}) (h : {a} {relation} {b}) : {conclusion}"
        else:
            statement = f"theorem goal : ∀ {a} {b} {c} : {kind}, {a} {relation} {b} → {conclusion}"
        prompts.append(FAMILY.request(Prompt(Theorem("t", statement))).text)
    return prompts


def main(folder: Path) -> None:
    """Train, save the checkpoint, and print four samples with their log-probabilities."""
    torch.manual_seed(0)
    prompts = make_prompts(STEPS * BATCH_SIZE)
    tok = tokenizer.train([prompt + ANSWER for prompt in prompts], 400)
    model = Transformer(PRESETS["tiny"].replace(vocab_size=len(tok), hidden_size=64, num_hidden_layers=2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    answer = [*tok.encode(ANSWER, add_special_tokens=False), tok.eos_token_id]
    for step in range(STEPS):
        batch = prompts[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
        samples = [[*tok.encode(prompt), *answer] for prompt in batch]
        longest = max(map(len, samples))
        rows = torch.tensor([[tok.pad_token_id] * (longest - len(sample)) + sample for sample in samples])
        # Padding stands on the left, as a segment of its own that the samples do not attend to.
        segment_ids = torch.tensor([[0] * (longest - len(sample)) + [1] * len(sample) for sample in samples])
        output = model(rows[:, :-1], targets=rows[:, 1:], segment_ids=segment_ids[:, :-1])
        loss = -output.logprobs[:, -len(answer) :].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 19:
            print(f"step {step + 1} of {STEPS}: loss {loss.item():.3f}", flush=True)
    checkpoint.save(model, folder)
    tok.save_pretrained(folder)

    prompt = tok.encode(make_prompts(1)[0])
    (sequences,) = Generator(model).generate([prompt], 4, SamplingParams(stop_token_ids={tok.eos_token_id}))
    for sequence in sequences:
        print(f"{sum(sequence.logprobs):7.3f}  {tok.decode(sequence.tokens, skip_special_tokens=True)!r}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/model.py FOLDER")
    main(Path(sys.argv[1]))
