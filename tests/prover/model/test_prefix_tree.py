"""The tree of prompts against a list of everything it was given."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.model.generate.prefix_tree import Prefix, PrefixTree

PROMPTS = st.lists(st.lists(st.integers(0, 2), max_size=8).map(tuple), max_size=12)


def latents(tokens: tuple[int, ...]) -> Prefix:
    """What a token's latent is depends on all tokens up to it, as it does in a model."""
    marks = [float(sum((t + 1) * 4**i for i, t in enumerate(tokens[: n + 1]))) for n in range(len(tokens))]
    return Prefix(torch.tensor(marks).view(1, -1, 1), torch.tensor(marks).int().view(-1, 1, 1))


@settings(max_examples=200, deadline=None)
@given(PROMPTS, PROMPTS)
def test_the_longest_known_beginning_is_found_with_its_own_latents(
    given_: list[tuple[int, ...]], asked: list[tuple[int, ...]]
) -> None:
    tree = PrefixTree(10_000)
    for prompt in given_:
        tree.insert(prompt, latents(prompt))
    for prompt in asked:
        longest = max((n for n in range(len(prompt) + 1) if any(g[:n] == prompt[:n] for g in given_)), default=0)
        parts = tree.match(prompt)
        assert sum(map(len, parts)) == longest
        if longest:
            expected = latents(prompt[:longest])
            assert torch.equal(torch.cat([part.latents for part in parts], 1), expected.latents)
            assert torch.equal(torch.cat([part.expert_ids for part in parts]), expected.expert_ids)
    assert tree.size == len({g[:n] for g in given_ for n in range(1, len(g) + 1)})


@settings(max_examples=100, deadline=None)
@given(PROMPTS, st.integers(0, 15))
def test_no_more_is_kept_than_there_is_room_for(prompts: list[tuple[int, ...]], capacity: int) -> None:
    tree = PrefixTree(capacity)
    for prompt in prompts:
        tree.insert(prompt, latents(prompt))
        assert tree.size <= capacity


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    tree = PrefixTree(4)
    tree.insert((1, 1), latents((1, 1)))
    tree.insert((2, 2), latents((2, 2)))
    assert tree.match((1, 1))
    tree.insert((3, 3), latents((3, 3)))
    assert [sum(map(len, tree.match(p))) for p in ((1, 1), (2, 2), (3, 3))] == [2, 0, 2]
