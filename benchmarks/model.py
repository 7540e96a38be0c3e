"""Benchmark our model against transformers' DeepseekV3ForCausalLM with the same weights, in one run.

    python benchmarks/model.py [decode] [samples] [train] [cache]

decode: tokens per second of greedy decoding after prefill; transformers runs in a bare loop over its own cache (its
`generate` is slower). samples: 32 samples of one prompt of 512 tokens, 64 tokens each, at temperature 1 and top-p 0.95,
prefill included; transformers by `generate`. train: forward, backward and fused AdamW on 8 sequences of 256 tokens.
cache: tokens that fit a megabyte, against multi-head attention with the same heads. Each figure is the best of several
runs; transformers has the faster of its two implementations of experts (for prompts of 1,024 tokens its default).
On a CPU in fp32; on a GPU, if there is one, in bfloat16.
"""

from __future__ import annotations

import copy
import itertools
import logging
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812
import transformers
from rich.console import Console
from rich.table import Column, Table

from prover.model import checkpoint
from prover.model.config import PRESETS, ModelConfig
from prover.model.generate import GenerationRequest, Generator, SamplingParams
from prover.model.transformer import Transformer

DEVICE, DTYPE = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
GREEDY = SamplingParams(temperature=0, max_tokens=10_000)
SIZES = {
    "4M": PRESETS["tiny"].replace(
        vocab_size=4096, hidden_size=192, num_hidden_layers=6, intermediate_size=512, num_attention_heads=6,
        moe_intermediate_size=96, n_group=2, topk_group=1, num_nextn_predict_layers=0,
    ),
    "50M": PRESETS["30m"].replace(
        hidden_size=448, intermediate_size=1536, num_attention_heads=8, moe_intermediate_size=256, n_routed_experts=16,
        num_experts_per_tok=4, num_nextn_predict_layers=0, tie_word_embeddings=False,
    ),
}  # fmt: skip


class Pair:
    """Our model and transformers' with the same weights."""

    def __init__(self, config: ModelConfig) -> None:
        torch.manual_seed(0)
        self.ours = Transformer(config).to(DEVICE, DTYPE)
        with torch.no_grad():
            self.ours.lm_head.weight *= 20  # a trained model's distributions are not flat
        self.parameters = sum(p.numel() for p in self.ours.parameters())
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(self.ours, folder)
            self.theirs = transformers.DeepseekV3ForCausalLM.from_pretrained(folder, dtype=DTYPE).to(DEVICE)

    def prompts(self, batch: int, length: int) -> torch.Tensor:
        """Return random prompts."""
        return torch.randint(0, self.ours.config.vocab_size, (batch, length), device=DEVICE)


def seconds(run: Callable[[], object]) -> float:
    """Return the seconds of a call."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    run()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def their_step(model: transformers.PreTrainedModel, prompts: torch.Tensor, steps: int) -> float:
    """Return the seconds of transformers' fastest decoding step of `steps` (the minimum: the machine may be shared)."""
    with torch.inference_mode():
        out = model(prompts, use_cache=True, logits_to_keep=1)

        def step() -> None:
            nonlocal out
            tokens = out.logits[:, -1:].argmax(-1)
            out = model(tokens, past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)

        step()
        return min(seconds(step) for _ in range(steps))


def our_step(model: Transformer, prompts: torch.Tensor, steps: int) -> float:
    """Return the seconds of our fastest decoding step of `steps`."""
    generator = Generator(model, max_num_seqs=len(prompts))
    for prompt in prompts.tolist():
        generator.submit(GenerationRequest(tuple(prompt), 1, GREEDY))
    for _ in range(2):
        generator.step()
    return min(seconds(generator.step) for _ in range(steps))


Row = tuple[str, float, float, float]  # what, transformers, ours, how many times as good it should be


def decode(size: str, pair: Pair) -> Iterator[Row]:
    """Measure decoding, in tokens per second."""
    for batch, length in itertools.product((8, 64), (64, 1024)):
        prompts, steps = pair.prompts(batch, length), 20 if length < 1024 else 5
        ours, theirs = our_step(pair.ours, prompts, steps), []
        for experts in ("grouped_mm", "eager") if length < 1024 else ("grouped_mm",):
            pair.theirs.set_experts_implementation(experts)
            theirs.append(their_step(pair.theirs, prompts, steps))
        what = f"decode, {size}, batch {batch}, prompts of {length}: tokens/s"
        yield what, batch / min(theirs), batch / ours, 3.0


def samples(size: str, pair: Pair) -> Iterator[Row]:
    """Measure many samples of one prompt, in tokens per second."""
    n, max_new_tokens, prompt = 32, 64, pair.prompts(1, 512)
    sampling_kwargs = {"do_sample": True, "temperature": 1.0, "top_p": 0.95, "top_k": 0, "num_return_sequences": n}
    lengths = {"max_new_tokens": max_new_tokens, "min_new_tokens": max_new_tokens, "pad_token_id": 0}
    mask, theirs = torch.ones_like(prompt), []
    for experts in ("grouped_mm", "eager"):
        pair.theirs.set_experts_implementation(experts)
        with torch.inference_mode():
            theirs.append(
                seconds(lambda: pair.theirs.generate(prompt, attention_mask=mask, **sampling_kwargs, **lengths))
            )
    ours = []
    for _ in range(2):
        generator, sampling = (
            Generator(pair.ours, max_num_seqs=n),
            SamplingParams(top_p=0.95, max_tokens=max_new_tokens),
        )
        ours.append(seconds(partial(generator.generate, prompt.tolist(), n, sampling)))
    yield (
        f"32 samples of a prompt of 512, {size}: tokens/s",
        n * max_new_tokens / min(theirs),
        n * max_new_tokens / min(ours),
        8.0,
    )


def train(size: str, pair: Pair) -> Iterator[Row]:
    """Measure a training step, in tokens per second."""
    batch, length = 8, 256
    tokens = pair.prompts(batch, length + 1)
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    ours, theirs = copy.deepcopy(pair.ours).float(), copy.deepcopy(pair.theirs).float()

    def our_loss() -> torch.Tensor:
        return -ours(inputs, targets=targets).logprobs.mean()

    def their_loss() -> torch.Tensor:
        return F.cross_entropy(theirs(inputs, use_cache=False).logits.flatten(0, 1), targets.flatten())

    our_seconds, their_seconds = training_step(ours, our_loss), math.inf
    for experts in ("grouped_mm", "eager"):
        theirs.set_experts_implementation(experts)
        their_seconds = min(their_seconds, training_step(theirs, their_loss))
    yield f"training step, {size}: tokens/s", batch * length / their_seconds, batch * length / our_seconds, 1.5


def training_step(model: torch.nn.Module, loss: Callable[[], torch.Tensor], steps: int = 5) -> float:
    """Return the seconds of the fastest of `steps` training steps, after one to warm up."""
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> None:
        with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
            value = loss()
        value.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    return min(seconds(step) for _ in range(steps))


def cache(size: str, pair: Pair) -> Iterator[Row]:
    """Measure the tokens in a megabyte of cache, relative to multi-head attention with the same heads."""
    config, tokens = pair.ours.config, 200
    generator = Generator(pair.ours)
    generator.generate(pair.prompts(1, tokens + 1).tolist(), 1, SamplingParams(max_tokens=1))
    heads = config.num_attention_heads * (config.qk_head_dim + config.v_head_dim)
    bytes_per_token = heads * config.num_hidden_layers * DTYPE.itemsize
    yield (
        f"cache, {size}: tokens in a megabyte",
        1e6 / bytes_per_token,
        1e6 / (generator.prefix_cache.nbytes / tokens),
        1.0,
    )


PARTS = {"decode": decode, "samples": samples, "train": train, "cache": cache}


def main() -> None:
    """Run the benchmark."""
    if unknown := set(sys.argv[1:]) - set(PARTS):
        sys.exit(f"there is no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    transformers.logging.set_verbosity_error()
    logging.disable()
    pairs = {size: Pair(config) for size, config in SIZES.items()}
    about = ", ".join(f"{size} has {pair.parameters / 1e6:.1f} million parameters" for size, pair in pairs.items())
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {DEVICE}, {DTYPE}; {about}; ", end="")
    print(f"{torch.get_num_threads()} threads", flush=True)
    table = Table("what", *(Column(name, justify="right") for name in ("transformers", "ours", "ratio", "wanted")))
    for part in sys.argv[1:] or PARTS:
        for size, pair in pairs.items():
            for what, theirs, ours, target in PARTS[part](size, pair):
                numbers = f"{theirs:,.0f}", f"{ours:,.0f}", f"{ours / theirs:.2f}", f"{target:g}"
                table.add_row(what, *numbers)
                print(what, *numbers, file=sys.stderr, flush=True)  # it takes minutes
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
