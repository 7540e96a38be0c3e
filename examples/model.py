"""A model of our own, from nothing to proofs: a tokenizer, some seconds of training, a checkpoint, answers.

    python examples/model.py FOLDER
    prover prove --statement "∀ a b c : Nat, a < b → c + a < c + b" --policy native --model FOLDER --search sampling

It learns one answer only, the tactic `omega`, to prompts about inequalities; training that deserves the name is rl/'s.
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
from prover.model.generate import Generator, Sampling
from prover.model.transformer import Transformer
from prover.policy import Prompt
from prover.prompts import FAMILIES

STEPS, BATCH = 120, 8
FAMILY = FAMILIES["deepseek-v1.5-noncot"]  # what the policy `native` asks a model that has no chat template
ANSWER = "  omega\n```"


def prompts(count: int) -> list[str]:
    """What a model is asked about statements that are alike."""
    chance, found = random.Random(0), []
    for number in range(count):
        a, b, c = chance.sample("abcdefghijklmnpqrstuvwxyz", 3)
        kind, sign = chance.choice(["Nat", "Int"]), chance.choice("=<≤")
        said = f"{c} + {a} {sign} {c} + {b}"
        if chance.random() < 0.5:
            statement = f"theorem t{number} ({a} {b} {c} : {kind}) (h : {a} {sign} {b}) : {said}"
        else:
            statement = f"theorem goal : ∀ {a} {b} {c} : {kind}, {a} {sign} {b} → {said}"
        found.append(FAMILY.request(Prompt(Theorem("t", statement))).text)
    return found


def main(folder: Path) -> None:
    torch.manual_seed(0)
    asked = prompts(STEPS * BATCH)
    words = tokenizer.train([prompt + ANSWER for prompt in asked], 400)
    model = Transformer(PRESETS["tiny"].with_(vocab_size=len(words), hidden_size=64, num_hidden_layers=2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    answer = [*words.encode(ANSWER, add_special_tokens=False), words.eos_token_id]
    for step in range(STEPS):
        texts = [[*words.encode(prompt), *answer] for prompt in asked[step * BATCH : (step + 1) * BATCH]]
        longest = max(map(len, texts))
        rows = torch.tensor([[words.pad_token_id] * (longest - len(text)) + text for text in texts])
        # Padding stands in front, as a text of its own that the others do not see.
        segments = torch.tensor([[0] * (longest - len(text)) + [1] * len(text) for text in texts])
        told = model(rows[:, :-1], targets=rows[:, 1:], segments=segments[:, :-1])
        loss = -told.log_probs[:, -len(answer) :].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 19:
            print(f"step {step + 1} of {STEPS}: loss {loss.item():.3f}", flush=True)
    checkpoint.save(model, folder)
    words.save_pretrained(folder)

    prompt = words.encode(prompts(1)[0])
    (answers,) = Generator(model).generate([prompt], 4, Sampling(stop_tokens={words.eos_token_id}))
    for written in answers:
        print(f"{sum(written.log_probs):7.3f}  {words.decode(written.tokens, skip_special_tokens=True)!r}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/model.py FOLDER")
    main(Path(sys.argv[1]))
