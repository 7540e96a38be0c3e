"""Multi-token prediction: transformers' modules on the same weights."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.model.config import ModelConfig
from prover.model.transformer import Output
from tests.prover.model.twin import SMALL, assert_close, configs, fresh, gradients, mtp_twin, renamed, tokens, twin


@settings(max_examples=25, deadline=None, derandomize=True)
@given(configs(), st.integers(1, 3), st.integers(0, 100))
def test_log_probabilities_and_gradients_are_those_of_transformers(config: ModelConfig, depth: int, seed: int) -> None:
    ours = fresh(config.replace(num_nextn_predict_layers=depth), seed)
    theirs = twin(ours)
    modules = mtp_twin(ours, theirs)
    text = tokens(config, 2, 13)
    x, wanted, places = text[:, :-1], text[:, 1:], torch.arange(1, 13).unsqueeze(0)

    out: Output = ours(x, wanted)
    hidden = theirs.model(x, use_cache=False).last_hidden_state
    loss = reference_loss = torch.zeros(())
    for d, found in enumerate(out.mtp_logprobs):
        following = wanted.roll(-d, 1)  # the token d + 1 after each place; at the end there is none
        hidden = modules.forward_layer(d, hidden, places, None, input_ids=following)
        logits = modules.shared_head(hidden)[:, : -1 - d]
        reference = logits.log_softmax(-1).gather(2, wanted[:, 1 + d :].unsqueeze(2)).squeeze(2)
        torch.testing.assert_close(found, reference, rtol=0, atol=1e-4)
        loss, reference_loss = loss + found.mean(), reference_loss + reference.mean()
    loss.backward()
    reference_loss.backward()
    model_gradients, mtp_gradients = renamed(gradients(ours))
    assert_close(model_gradients, gradients(theirs))
    assert_close(mtp_gradients, {k: v for k, v in gradients(modules).items() if k.startswith("layers.")})


def test_a_text_shorter_than_the_modules_look_ahead_has_nothing_further() -> None:
    out: Output = fresh(SMALL)(tokens(SMALL, 2, 1), tokens(SMALL, 2, 1))
    assert [found.shape for found in out.mtp_logprobs] == [(2, 0), (2, 0)]
