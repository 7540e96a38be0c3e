"""The groups of GRPO: the answers to one prompt with their rewards, and their record in `answers.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data import problems as corpora
from data.pairs import Pair, as_row
from data.problems import Problem, ProblemError
from data.records.config import ConfigError
from data.records.jsonl import JsonlError, read_jsonl
from lean_env import Reason
from prover.engines.base import Answer
from prover.policy import Prompt
from rl.batch import TrainingSample
from rl.inputs import made_by
from rl.reward import RewardResult

_FIELDS = {"answer", "finished", "reward", "reason"}  # of an answer, that are read again


@dataclass(frozen=True)
class RolloutRequest:
    """A prompt to sample answers for: a theorem in a family's prompt format.

    number: of its group in the run. version: updates that the model had had.
    """

    number: int
    problem: Problem
    family: str
    version: int = 0

    @property
    def prompt(self) -> Prompt:
        return Prompt(self.problem.theorem)


@dataclass(frozen=True)
class RolloutGroup:
    """The answers to one prompt with their rewards, sorted by token ids so that the order does not depend on timing."""

    asked: RolloutRequest
    answers: tuple[Answer, ...]
    graded: tuple[RewardResult, ...]

    @property
    def rewards(self) -> list[float]:
        return [grade.reward for grade in self.graded]

    @property
    def proved(self) -> int:
        """The number of answers that Lean accepted."""
        return sum(grade.verdict.proved for grade in self.graded)

    @property
    def has_signal(self) -> bool:
        """Whether the rewards differ: otherwise all advantages are 0."""
        return len(set(self.rewards)) > 1

    def training_samples(self, experts: bool, truncation: bool) -> list[TrainingSample]:
        """The answers as samples to train on, with what the engine recorded for replay.

        experts, truncation: replay the experts, and the candidate tokens.
        """
        return [_text(answer, experts, truncation) for answer in self.answers]

    def as_row(self) -> dict[str, Any]:
        """The group as a line of `answers.jsonl`: the theorem as data.problems reads it, and the answers."""
        row = {key: value for key, value in as_row(Pair(self.asked.problem, "")).items() if key != "formal_proof"}
        answers = [
            {
                "answer": answer.text,
                "finished": answer.finished,
                "finish_reason": answer.finish_reason,
                "proof": grade.proof,
                "reward": grade.reward,
                "reason": str(grade.verdict.reason),
                "tokens": len(answer.tokens),
            }
            for answer, grade in zip(self.answers, self.graded, strict=True)
        ]
        asked = self.asked
        return {**row, "number": asked.number, "family": asked.family, "version": asked.version, "answers": answers}


@dataclass(frozen=True)
class RecordedGroup:
    """A group as read from a run's `answers.jsonl`. answers: as in RolloutGroup.as_row."""

    problem: Problem
    family: str
    answers: list[dict[str, Any]]

    @property
    def proved(self) -> int:
        """The number of answers that Lean accepted."""
        return sum(map(is_proved, self.answers))


def is_proved(answer: Mapping[str, Any]) -> bool:
    """Whether Lean accepted a recorded answer."""
    return bool(answer["reason"] == Reason.PROVED)


def read(path: Path) -> Iterator[RecordedGroup]:
    """The groups of a file `answers.jsonl`, in order. Raises ConfigError."""
    try:
        for problem, row in zip(corpora.read(path), read_jsonl(path), strict=True):
            if not all(answer.keys() >= _FIELDS for answer in row["answers"]):
                raise ValueError(f"each answer needs {', '.join(sorted(_FIELDS))}")
            answers = [{"finish_reason": None, **answer} for answer in row["answers"]]  # older files lack it
            yield RecordedGroup(problem, row["family"], answers)
    except OSError as error:
        raise ConfigError(f"answers: {path}: {error.strerror or error}{made_by(path)}") from None
    except (JsonlError, ProblemError) as error:
        raise ConfigError(f"answers: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"answers: {path}: not what a run writes ({error!r})") from None


def _text(answer: Answer, experts: bool, truncation: bool) -> TrainingSample:
    tokens, start, replay = (*answer.prompt_tokens, *answer.tokens), len(answer.prompt_tokens), answer.replay
    if replay is None:
        return TrainingSample(tokens, start, answer.log_probs)
    drawn = replay.sampler_logprobs if truncation or not replay.candidate_token_ids else answer.log_probs
    return TrainingSample(
        tokens, start, drawn, replay.candidate_token_ids if truncation else (), replay.expert_ids if experts else None
    )
