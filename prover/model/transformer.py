"""The whole model, as it is trained. Text is written by generate/, from the same weights."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from prover.model.block import Block
from prover.model.config import ModelConfig
from prover.model.experts import Experts, SwiGLU
from prover.model.mtp import MTP
from prover.model.norm import RMSNorm
from prover.model.rope import Rope
from prover.model.router import Router, Routing
from prover.model.scoring import scored

LOGITS = 1 << 25  # at most so many are held at a time when only the targets' log-probabilities are wanted


class Output(NamedTuple):
    """What a pass over tokens [batch, tokens] gives.

    hidden [batch, tokens, width]: after the last norm; None of a model that does not tell it.
    logits [batch, tokens, vocabulary]: None if targets were given.
    log_probs [batch, tokens], fp32: natural logarithm of each target's probability; None without targets.
    entropy [batch, tokens], fp32, in nats: of what the target is one of; without gradient. None if not asked for.
    further: the same of the MTP modules, in order; number d (from 0) has [batch, tokens - 1 - d], and says of place i
        what it gave to the target of place i + 1 + d. Empty without targets.
    routing: of each mixture of experts, in order; those of the MTP modules at the end.
    """

    hidden: Tensor | None
    logits: Tensor | None
    log_probs: Tensor | None
    entropy: Tensor | None
    further: tuple[Tensor, ...]
    routing: tuple[Routing, ...]


class Transformer(nn.Module):
    """A DeepSeek-V3-style causal language model."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.rope = Rope(config)
        dense = config.first_k_dense_replace
        self.layers = nn.ModuleList(Block(config, dense=i < dense) for i in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.mtp = nn.ModuleList(MTP(config) for _ in range(config.num_nextn_predict_layers))
        self.initialise()

    def tie(self) -> None:
        """One matrix for embedding and head, if the configuration says so.

        To be called again after what gives modules new parameters: `to_empty`, or loading with `assign=True`.
        """
        if self.config.tie_word_embeddings:
            self.lm_head.weight = self.embed_tokens.weight

    @torch.no_grad()
    def initialise(self) -> None:
        """Fresh weights: normal with the configuration's deviation; norms 1, the router's biases 0."""
        self.tie()
        for module in self.modules():
            match module:
                case nn.Linear() | nn.Embedding():
                    weights = [module.weight]
                case Router():
                    weights = [module.weight]
                    module.e_score_correction_bias.zero_()
                case Experts():
                    weights = [module.gate_up_proj, module.down_proj]
                case RMSNorm():
                    module.weight.fill_(1.0)
                    continue
                case _:
                    continue
            for weight in weights:
                weight.normal_(std=self.config.initializer_range)

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor | None = None,
        segments: Tensor | None = None,
        chosen: Tensor | None = None,
        kept: Tensor | None = None,
        temperature: float = 1.0,
        entropy: bool = False,
        ahead: bool = True,
        after: Tensor | None = None,
    ) -> Output:
        """tokens int64 [batch, tokens].

        targets: the token to be predicted at each place, mostly the next one, same shape: asks for their
            log-probabilities instead of all logits. Places without one have any token; their result is of no use.
        segments: packed texts, same shape: a number for each, side by side; a text sees only itself, and its positions
            start at 0. By default a row is one text.
        after: texts that go on from another one of their row, which stands before them, same shape: the number of that
            one, or the text's own. Such a text sees both, and its positions go on. So what several texts begin with
            has to be computed once.
        chosen [batch, tokens, mixtures, k]: experts to be used instead of the router's own choice, in the order of
            `Output.routing`. The MTP modules' may be left out.
        kept int64 [batch, tokens, n]: the tokens that a target was one of, when truncation had left no others (V3.2
            §3.1); the target is among them, and what is negative is none. By default all. temperature: divides the
            logits. Both are for the targets' log-probabilities and entropy, not for those of MTP.
        ahead: the MTP modules' predictions are wanted.
        """
        positions, mask = layout(tokens, segments, after)
        turns = self.rope(positions)
        choices = iter(() if chosen is None else chosen.unbind(2))
        routing: list[Routing] = []
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x, routed = layer(x, turns, mask, None if isinstance(layer.mlp, SwiGLU) else next(choices, None))
            routing += [routed] if routed is not None else []
        hidden = self.norm(x)
        if targets is None:
            return Output(hidden, self.lm_head(hidden), None, None, (), tuple(routing))
        further: list[Tensor] = []
        below = hidden
        for depth, module in enumerate(self.mtp if ahead else ()):
            below, routed = module(below, self.embed_tokens(targets.roll(-depth, 1)), turns, mask, next(choices, None))
            routing.append(routed)
            further.append(self._scores(below[:, : -1 - depth], targets[:, 1 + depth :])[0])
        log_probs, spread = self._scores(hidden, targets, kept, temperature, entropy)
        return Output(hidden, None, log_probs, spread, tuple(further), tuple(routing))

    def _scores(
        self,
        hidden: Tensor,
        targets: Tensor,
        kept: Tensor | None = None,
        temperature: float = 1.0,
        entropy: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """hidden [..., width], targets [...] → two of [...], without all logits at once where there are many."""
        size = max(LOGITS // self.config.vocab_size, 1)
        rows, wanted = hidden.flatten(0, -2).split(size), targets.flatten().split(size)
        among = [None] * len(rows) if kept is None else kept.flatten(0, -2).split(size)
        found = []
        for row, want, some in zip(rows, wanted, among, strict=True):
            if len(rows) == 1:
                found.append(self._score(row, want, some, temperature, entropy))
            else:
                again = checkpoint(self._score, row, want, some, temperature, entropy, use_reentrant=False)
                found.append(again)
        losses, spreads = zip(*found, strict=True)
        # Negated last: FSDP's outputs must be no views.
        spread = torch.cat(spreads).view_as(targets).clone() if entropy else None
        return -torch.cat(losses).view_as(targets), spread

    def _score(
        self, rows: Tensor, wanted: Tensor, kept: Tensor | None, temperature: float, entropy: bool
    ) -> tuple[Tensor, Tensor | None]:
        return scored(self.lm_head(rows), wanted, kept, temperature, entropy)


def layout(tokens: Tensor, segments: Tensor | None, after: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Positions [batch or 1, tokens], and the mask for attention [batch, 1, tokens, tokens] (None: only causal).

    segments, after: as in Transformer.forward.
    """
    places = torch.arange(tokens.shape[1], device=tokens.device).unsqueeze(0)
    if segments is None:
        return places, None
    first = F.pad(segments[:, 1:] != segments[:, :-1], (1, 0), value=True)
    positions = places - torch.where(first, places, 0).cummax(1).values
    seen = segments.unsqueeze(2) == segments.unsqueeze(1)
    if after is not None:
        above = (after.unsqueeze(2) == segments.unsqueeze(1)) & ~seen
        positions = positions + above.sum(2)
        seen |= above
    return positions, (seen & (places.mT >= places)).unsqueeze(1)
