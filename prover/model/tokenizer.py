"""Tokenizers: byte-level BPE trained on Lean text, and those of Hugging Face's models; incremental decoding."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prover.model.config import ModelError

if TYPE_CHECKING:  # transformers takes a second to import
    from transformers import PreTrainedTokenizerFast

BOS, EOS, PAD = "<|begin|>", "<|end|>", "<|pad|>"
# Fill in the middle (FIM; arXiv:2207.14255, DeepSeek-Coder-V2): prefix, suffix, then the model generates the middle.
FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
SPECIAL_TOKENS = (BOS, EOS, PAD, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)  # their ids are 0, 1, 2, …

# The pre-tokenizer: BPE merges bytes within these pieces of text only. The first alternative that matches counts:
#   a name's component with the space, dot or underscore before it (` Nat`, `.add`, `_comm`, ` h₁'`): Mathlib's names
#       are composed of few words, so a token is worth spending on a word, not on a name;
#   a digit: arithmetic on numbers that are split anywhere is harder to learn;
#   symbols with the space before them and the line break after them (` :=`, `⟩⟩`, ` ·`, `,\n`);
#   a line break;
#   spaces but the last, which belongs to what follows it: any indentation is one token, and a word is the same token
#       at the beginning and in the middle of a line.
# No piece crosses a line break. So the tokens of a line do not depend on what follows it: a proof cut at a line's end,
# to be continued from there, has the tokens that it has in the whole proof.
_PRE_TOKEN = r"[ ._]?\p{L}[\p{L}\p{M}₀-₉']*|[0-9]| ?[^\s\p{L}0-9]+\n?|\r?\n| +(?= )|\s"

# GPT-2's names of byte-level tokens: a byte that is a printable character of Latin-1 is that character, the others are
# the characters from U+0100 on, in order.
_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_OTHER = sorted(set(range(0x100)).difference(_PRINTABLE))
_BYTE_OF = {chr(byte): byte for byte in _PRINTABLE} | {chr(0x100 + n): byte for n, byte in enumerate(_OTHER)}
_UTF8 = codecs.getincrementaldecoder("utf-8")

_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")  # one of them makes a folder a tokenizer's


def train(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer of `vocab_size` tokens, special tokens and the 256 bytes included.

    It has fewer if the texts have no more pairs that occur twice. Decoding is lossless; what looks like a special token
    in a text is encoded as text. `encode` begins with BOS unless it gets `add_special_tokens=False`. The same texts
    give the same tokenizer. Raises ValueError if `vocab_size` is too small.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    minimum = len(alphabet) + len(SPECIAL_TOKENS)
    if vocab_size < minimum:
        raise ValueError(
            f"a vocabulary of {vocab_size} tokens is too small: bytes and special tokens alone are {minimum}"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PRE_TOKEN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, SPECIAL_TOKENS.index(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        extra_special_tokens=[FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE],
        split_special_tokens=True,
    )


def load(name: str) -> PreTrainedTokenizerFast:
    """Load a model's tokenizer from a folder or, if there is no such folder, by its name on Hugging Face's hub.

    Raises ModelError if there is none, or if it is not one of the library `tokenizers`.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    is_folder = Path(name).is_dir()
    if is_folder and not any((Path(name) / file).is_file() for file in _FILES):
        raise ModelError(f"{name}: the folder holds no tokenizer (none of {', '.join(_FILES)})")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=is_folder, trust_remote_code=False)
    except Exception as error:  # tokenizers raises nothing narrower
        what = "the tokenizer cannot be read" if is_folder else "neither a folder nor a tokenizer that can be fetched"
        raise ModelError(f"{name}: {what}: {error}") from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(
            f"{name}: only tokenizers of the library `tokenizers` can be used, no {type(tokenizer).__name__}"
        )
    return tokenizer


class DecodeStream:
    """An incremental decoder: token ids in, one at a time, text out, without special tokens.

    The texts that `push` and, at the end, `finish` return add up to the decoded text of all ids. A character whose
    bytes are spread over tokens comes with the last of them. (In SentencePiece's vocabularies, bytes that are not valid
    UTF-8 spoil their neighbours when all ids are decoded at once; here, text that was returned stands.)
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        from tokenizers.decoders import ByteLevel

        self._tokenizer = tokenizer.backend_tokenizer
        # A byte-level token's bytes do not depend on its neighbours. With others (SentencePiece leaves out a space at
        # the very beginning) a token's text is what it adds to the text before it.
        self._utf8 = _UTF8("replace") if isinstance(self._tokenizer.decoder, ByteLevel) else None
        self._context: list[int] = []  # the ids that gave the latest text
        self._pending: list[int] = []  # those after them, which have given none yet

    def push(self, token: int) -> str:
        """Add a token id; the text that has become certain with it."""
        if self._utf8:
            return self._utf8.decode(self._bytes(token))
        self._pending.append(token)
        new = self._new_text()
        if not new or new.endswith("\N{REPLACEMENT CHARACTER}"):  # perhaps half of a character
            return ""
        self._context, self._pending = self._pending, []
        return new

    def finish(self) -> str:
        """The rest of the text, after the last token; an incomplete character becomes U+FFFD."""
        return self._utf8.decode(b"", final=True) if self._utf8 else self._new_text()

    def _bytes(self, token: int) -> bytes:
        name = self._tokenizer.id_to_token(token)
        if name is None or not self._decode([token]):  # an unknown or a special token
            return b""
        try:
            return bytes([_BYTE_OF[character] for character in name])
        except KeyError:  # an added token: its name is its text
            return bytes(name, "utf-8")

    def _new_text(self) -> str:
        return self._decode(self._context + self._pending)[len(self._decode(self._context)) :]

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text
