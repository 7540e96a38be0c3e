"""Our tokenizer on Lean-like text, others' tokenizers from folders, and text from ids as they come."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from prover.model.config import ModelError
from prover.model.tokenizer import (
    BOS,
    EOS,
    FIM_MIDDLE,
    FIM_PREFIX,
    FIM_SUFFIX,
    PAD,
    SPECIAL_TOKENS,
    DecodeStream,
    load,
    train,
)

NAMES = ("Nat.add_comm", "Nat.mul_le_mul_left", "h₁", "h₂'", "hx", "Finset.sum_range_succ'", "ℝ", "x", "α")
TACTICS = (
    "simp [{0}, {1}]",
    "rw [{0}, ← {1}]",
    "obtain ⟨{0}, {1}⟩ := {0}",
    "· exact ⟨{0}, {1}⟩",
    "have {0} : 12 * {1} ≤ 345 := by",
    "  nlinarith [sq_nonneg ({0} - {1}), {0}⁻¹]",
    "    omega -- {0} is enough",
    "exact {0} ▸ fun y => {1} y",
)
ODD = (
    "∀ x ∈ ℝ, ⟨h₁, h₂⟩ ▸ ·",
    "  theorem foo\r\n\t: p ∧ q := by\r\n",
    "\ufeff𝔸 ⟪x, y⟫_ℂ 👩‍👩‍👧 e\u0301 \u0000 \u200b \ufffd \x7f \U0010ffff",
    f"the end {EOS} is {FIM_MIDDLE}{BOS} near",
    " \n  \n\n   ",
    "",
)


def proofs(number: int, seed: int = 0) -> list[str]:
    """Theorems in Lean's manner, which need not be true."""
    draw = random.Random(seed)

    def one(n: int) -> str:
        tactics = (draw.choice(TACTICS).format(draw.choice(NAMES), draw.choice(NAMES)) for _ in range(6))
        lines = "".join(f"  {tactic}\n" for tactic in tactics)
        return f"theorem t_{n} (x y : ℝ) (h₁ : x ≠ 0) : ∃ z, {n} * x = y + z := by\n{lines}\n"

    return [one(n) for n in range(number)]


LEAN = "".join(proofs(20, seed=1)) + "".join(ODD)
TOKENIZER = train(proofs(300), 400)


def plain(text: str) -> list[int]:
    """The ids of a text, without BOS."""
    ids: list[int] = TOKENIZER.encode(text, add_special_tokens=False)
    return ids


def pieces(text: str) -> list[str]:
    return [TOKENIZER.decode([token]) for token in plain(text)]


def streamed(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> list[str]:
    stream = DecodeStream(tokenizer)
    return [*(stream.push(token) for token in ids), stream.finish()]


def decoded(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> str:
    text: str = tokenizer.decode(ids, skip_special_tokens=True)
    return text


def like_llama() -> PreTrainedTokenizerFast:
    """A tokenizer as SentencePiece makes them: blanks as ▁, bytes for what is not in the vocabulary."""
    tokens = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        *"▁abcdefghi",
        "▁a",
        "ab",
        "▁ab",
        "▁▁",
    ]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    merges = [("▁", "a"), ("a", "b"), ("▁a", "b"), ("▁", "▁")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


LLAMA = like_llama()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """No network: the hosts that somebody asked for."""
    asked: list[Any] = []

    def refuse(host: object, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror("there is no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return asked


@pytest.mark.parametrize("text", [LEAN, *ODD])
def test_a_text_comes_back_from_its_ids(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert ids[0] == TOKENIZER.bos_token_id
    assert ids[1:] == plain(text)
    assert TOKENIZER.decode(plain(text)) == decoded(TOKENIZER, ids) == text


@given(st.text())
def test_any_text_comes_back_from_its_ids(text: str) -> None:
    assert TOKENIZER.decode(plain(text)) == text


@given(st.text(st.sampled_from(" \n\r\ta1₁'._(⟩")), st.text(st.sampled_from(" \n\r\ta1₁'._(⟩")))
def test_a_text_cut_after_a_line_keeps_its_tokens(first: str, rest: str) -> None:
    assert plain(f"{first}\n") + plain(rest) == plain(f"{first}\n{rest}")


def test_no_token_goes_on_after_a_line_break() -> None:
    tokenizer = train(["simp]\n\n]\n  simp\n\n\r\n\n  "] * 9, 400)
    texts = [tokenizer.decode([token]) for token in range(len(SPECIAL_TOKENS), len(tokenizer))]
    assert "]\n" in texts
    assert not any("\n" in text[:-1] for text in texts)


def test_text_that_looks_like_a_special_token_is_text() -> None:
    for special in SPECIAL_TOKENS:
        assert not set(plain(f"x {special}")) & set(TOKENIZER.all_special_ids)


def test_the_special_tokens_have_the_first_ids() -> None:
    assert TOKENIZER.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(len(SPECIAL_TOKENS)))
    assert (TOKENIZER.bos_token, TOKENIZER.eos_token, TOKENIZER.pad_token) == (BOS, EOS, PAD)
    assert {FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE} <= set(TOKENIZER.all_special_tokens)


def test_every_byte_is_a_token() -> None:
    least = train([], 256 + len(SPECIAL_TOKENS))
    assert len(least) == 256 + len(SPECIAL_TOKENS)
    assert set(pre_tokenizers.ByteLevel.alphabet()) <= set(least.get_vocab())
    assert least.decode(least.encode(LEAN, add_special_tokens=False)) == LEAN


def test_a_vocabulary_has_the_size_asked_for_unless_there_is_too_little_text() -> None:
    assert len(TOKENIZER) == 400
    assert len(train(["simp"], 400)) == 256 + len(SPECIAL_TOKENS)
    with pytest.raises(ValueError, match="261 tokens is too small: bytes and special tokens alone are 262"):
        train(["simp"], 261)


def test_the_same_texts_give_the_same_tokenizer() -> None:
    again = train(iter(proofs(300)), 400)
    assert again.backend_tokenizer.to_str() == TOKENIZER.backend_tokenizer.to_str()


def test_tokens_fit_lean() -> None:
    assert pieces("\n    simp [h₁, h₂']") == ["\n", "   ", " simp", " [", "h₁", ",", " h₂'", "]"]
    assert pieces("rw [Nat.add_comm]\n  simp")[2:] == ["Nat", ".add", "_comm", "]\n", " ", " simp"]
    assert pieces("x = 1234") == ["x", " =", " ", "1", "2", "3", "4"]
    assert pieces("obtain ⟨x, hx⟩ := x")[-3:] == ["⟩", " :=", " x"]


def test_lean_is_fewer_tokens_than_with_gpt2s_pieces() -> None:
    from tokenizers import trainers

    gpt2 = Tokenizer(models.BPE())
    gpt2.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    gpt2.train_from_iterator(
        proofs(300), trainers.BpeTrainer(vocab_size=400, show_progress=False, initial_alphabet=alphabet)
    )
    text = "".join(proofs(50, seed=2))
    assert len(plain(text)) < len(gpt2.encode(text).ids)


@pytest.mark.parametrize("config", [None, {"model_type": "deepseek_v3"}])
@pytest.mark.parametrize("kind", [None, "LlamaTokenizerFast"])  # DeepSeek's checkpoints call theirs so
def test_a_saved_tokenizer_is_the_same_everywhere(
    tmp_path: Path, calls: list[Any], config: dict[str, str] | None, kind: str | None
) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    if config:
        (tmp_path / "config.json").write_text(json.dumps(config))
    if kind:
        settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({**settings, "tokenizer_class": kind}))
    for tokenizer in (load(str(tmp_path)), AutoTokenizer.from_pretrained(tmp_path)):
        assert tokenizer.encode(LEAN) == tokenizer(LEAN)["input_ids"] == TOKENIZER.encode(LEAN)
        assert tokenizer.decode(plain(LEAN)) == LEAN
        assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (BOS, EOS, PAD)
        assert "".join(streamed(tokenizer, TOKENIZER.encode(LEAN))) == LEAN
    load(str(tmp_path))
    assert calls == []


def test_a_name_is_looked_for_on_hugging_face(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # it tries again and again
    with pytest.raises(ModelError, match="nobody/nothing: neither a folder nor a tokenizer that can be fetched"):
        load("nobody/nothing")
    assert calls


def test_others_tokenizers_keep_their_chat_template(tmp_path: Path) -> None:
    other = like_llama()
    other.chat_template = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    other.save_pretrained(tmp_path)
    found = load(str(tmp_path))
    chat = [{"role": "user", "content": "ab"}]
    assert found.apply_chat_template(chat, tokenize=False) == "[user]ab"
    assert found.encode("a , b") == LLAMA.encode("a , b")
    assert found.decode(found.encode("a , b")) == "a , b"


def test_a_folder_without_a_tokenizer_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "deepseek_v3"}')
    with pytest.raises(ModelError, match=r"the folder holds no tokenizer \(none of tokenizer\.json"):
        load(str(tmp_path))
    with pytest.raises(ModelError, match="neither a folder nor a tokenizer"):
        load(str(tmp_path / "missing"))
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "model"')
    with pytest.raises(ModelError, match="the tokenizer cannot be read"):
        load(str(tmp_path))


def test_text_comes_with_the_last_byte_of_a_character() -> None:
    stream = DecodeStream(TOKENIZER)
    ids = [*plain("x𝔸"), TOKENIZER.eos_token_id, *plain("y")]
    assert [stream.push(token) for token in ids] == ["x", "", "", "", "𝔸", "", "y"]
    assert stream.finish() == ""


def test_what_is_held_back_comes_at_the_end() -> None:
    for tokenizer, before in ((TOKENIZER, "x"), (LLAMA, "a")):
        ids = tokenizer.encode(f"{before}😀", add_special_tokens=False)[:-1]
        *pushed, rest = streamed(tokenizer, ids)
        assert "".join(pushed) == before
        assert before + rest == decoded(tokenizer, ids)
        assert rest.startswith("\ufffd")


def test_the_text_of_a_proof_is_that_of_its_ids() -> None:
    parts = streamed(TOKENIZER, plain("".join(proofs(5, seed=3))))
    assert "".join(parts) == "".join(proofs(5, seed=3))
    assert not any("\ufffd" in part for part in parts)
    assert max(map(len, parts)) < 30  # it does come bit by bit


@given(st.lists(st.integers(0, len(TOKENIZER) + 3)))
def test_the_text_of_any_ids_is_what_they_are_decoded_to(ids: list[int]) -> None:
    assert "".join(streamed(TOKENIZER, ids)) == decoded(TOKENIZER, ids)


def test_added_tokens_are_told_as_they_are_decoded() -> None:
    tokenizer = train(proofs(5), 300)
    tokenizer.add_tokens([AddedToken("<think>"), AddedToken("a b"), AddedToken("｜tool▁call｜"), AddedToken("né")])
    ids = tokenizer.encode("x<think>a b｜tool▁call｜né y")
    assert set(range(300, 304)) <= set(ids)
    assert "".join(streamed(tokenizer, ids)) == decoded(tokenizer, ids)


@given(st.text(st.sampled_from("  ab∀😀\n\ufffd")), st.booleans())
def test_text_of_others_tokenizers_is_streamed_too(text: str, begun: bool) -> None:
    ids = [LLAMA.bos_token_id] * begun + LLAMA.encode(text, add_special_tokens=False)
    parts = streamed(LLAMA, ids)
    assert "".join(parts) == decoded(LLAMA, ids)
    if "\ufffd" not in text:
        assert not any("\ufffd" in part for part in parts)


@given(st.lists(st.sampled_from([1, 2, *range(259, len(LLAMA))])))
def test_ids_of_others_tokenizers_are_streamed_too(ids: list[int]) -> None:
    assert "".join(streamed(LLAMA, ids)) == decoded(LLAMA, ids)


@given(st.lists(st.integers(0, len(LLAMA) + 3)))
def test_no_ids_of_others_tokenizers_break_a_stream(ids: list[int]) -> None:
    streamed(LLAMA, ids)


def test_a_model_that_writes_garbage_is_not_slowed_down() -> None:
    token = TOKENIZER.convert_tokens_to_ids("Ģ")  # the byte 0x80, which begins no character
    begun = time.perf_counter()
    assert "".join(streamed(TOKENIZER, [token] * 20_000)) == "\ufffd" * 20_000
    assert time.perf_counter() - begun < 2  # 0.05 s; more than 20 s if all were read anew at each token


def test_transformers_is_imported_when_it_is_needed() -> None:
    code = "import sys, prover.model.tokenizer; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
