"""Text to token ids and back: byte-level BPE trained on Lean text; Hugging Face's tokenizers for other models."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prover.model.config import ModelError

if TYPE_CHECKING:  # transformers takes a second to import
    from transformers import PreTrainedTokenizerFast

BEGIN, END, PADDING = "<|begin|>", "<|end|>", "<|pad|>"
# Fill in the middle (DeepSeek-Coder-V2 §3.1): prefix, suffix, then the middle is written.
FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
SPECIAL = (BEGIN, END, PADDING, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)  # their ids are 0, 1, 2, …

# BPE merges bytes within a piece of text only. Pieces, the first alternative that fits:
#   a name's component with the blank, dot or underscore before it (` Nat`, `.add`, `_comm`, ` h₁'`): Mathlib's names
#       are made of few words, so that words are worth a token, not names;
#   a digit: arithmetic on numbers cut anywhere is harder to learn;
#   symbols with the blank before them and the line break after them (` :=`, `⟩⟩`, ` ·`, `,\n`);
#   a line break;
#   blanks but the last, which goes to what it stands before: any indentation is one token, and a word is the same
#       token at the beginning and in the middle of a line.
# No piece goes on after a line break. So a text has the tokens of its lines, whatever follows them: a proof cut at a
# line's end, to go on from there, has the tokens it had as a part of the whole.
_PIECE = r"[ ._]?\p{L}[\p{L}\p{M}₀-₉']*|[0-9]| ?[^\s\p{L}0-9]+\n?|\r?\n| +(?= )|\s"

# The names of byte-level tokens (GPT-2's): a byte that is a visible character of Latin-1 stands for itself, the others
# are in their order the characters from U+0100 on.
_VISIBLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_HIDDEN = sorted(set(range(0x100)).difference(_VISIBLE))
_BYTE = {chr(byte): byte for byte in _VISIBLE} | {chr(0x100 + n): byte for n, byte in enumerate(_HIDDEN)}
_UTF8 = codecs.getincrementaldecoder("utf-8")

_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")  # any of them is a tokenizer


def train(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of `size` tokens, special tokens and the 256 bytes included.

    It has fewer if the texts have no more pairs that occur twice. Every text is brought back exactly from its ids; what
    looks like a special token in a text is text, and only ids stand for the special tokens. `encode` begins with BEGIN
    unless it is told `add_special_tokens=False`. The same texts give the same tokenizer. Raises ValueError.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    least = len(alphabet) + len(SPECIAL)
    if size < least:
        raise ValueError(f"a vocabulary of {size} tokens is too small: bytes and special tokens alone are {least}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECE), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A $B", special_tokens=[(BEGIN, SPECIAL.index(BEGIN))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PADDING,
        extra_special_tokens=[FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE],
        split_special_tokens=True,
    )


def load(name: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a model: a folder, or a name on Hugging Face. For a folder nothing is fetched.

    Raises ModelError.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    folder = Path(name).is_dir()
    if folder and not any((Path(name) / file).is_file() for file in _FILES):
        raise ModelError(f"{name}: the folder holds no tokenizer (none of {', '.join(_FILES)})")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=folder, trust_remote_code=False)
    except Exception as error:  # tokenizers raises nothing narrower
        what = "the tokenizer cannot be read" if folder else "neither a folder nor a tokenizer that can be fetched"
        raise ModelError(f"{name}: {what}: {error}") from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(
            f"{name}: only tokenizers of the library `tokenizers` can be used, no {type(tokenizer).__name__}"
        )
    return tokenizer


class TextStream:
    """The text of token ids that come one at a time, without special tokens.

    What `push` returns, and `finish` at the end, makes up what all ids together are decoded to. A character whose bytes
    are spread over tokens comes with the last of them. (In SentencePiece's vocabularies, bytes that are no text spoil
    their neighbours when all are decoded at once; here what has been returned stands.)
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        from tokenizers.decoders import ByteLevel

        self._tokenizer = tokenizer.backend_tokenizer
        # Of a byte-level token the bytes are known, whatever stands beside it. Elsewhere (SentencePiece: a blank at the
        # very beginning is left out) the text of a token is what it adds to the text before it.
        self._utf8 = _UTF8("replace") if isinstance(self._tokenizer.decoder, ByteLevel) else None
        self._before: list[int] = []  # the ids that brought the latest text
        self._held: list[int] = []  # those after them, which have brought none yet

    def push(self, token: int) -> str:
        """The text that is certain with this token and was not without it."""
        if self._utf8:
            return self._utf8.decode(self._bytes(token))
        self._held.append(token)
        new = self._new()
        if not new or new.endswith("\N{REPLACEMENT CHARACTER}"):  # perhaps half of a character
            return ""
        self._before, self._held = self._held, []
        return new

    def finish(self) -> str:
        """What was held back, after the last token: an incomplete character is replaced by U+FFFD."""
        return self._utf8.decode(b"", final=True) if self._utf8 else self._new()

    def _bytes(self, token: int) -> bytes:
        name = self._tokenizer.id_to_token(token)
        if name is None or not self._decoded([token]):  # no token, or a special one
            return b""
        try:
            return bytes([_BYTE[character] for character in name])
        except KeyError:  # an added token: its name is its text
            return bytes(name, "utf-8")

    def _new(self) -> str:
        return self._decoded(self._before + self._held)[len(self._decoded(self._before)) :]

    def _decoded(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text
