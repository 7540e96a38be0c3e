"""Lean's Verdict as a reward function of TRL (GRPOTrainer, RLOOTrainer and their kin).

    family = FAMILIES["deepseek-v2"]
    rows = [json.loads(line) for line in open("problems.jsonl")]
    reward = LeanReward(Judge(LeanPool(cache=True), family))
    data = datasets.Dataset.from_list(examples(rows, family))
    GRPOTrainer("MODEL", reward_funcs=reward, train_dataset=data, args=GRPOConfig(…)).train()

Each process of a distributed run has Lean processes of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prover.prompts import PromptFormat
from rl.adapters import Grader, messages
from rl.reward import Judge

Completion = str | Sequence[dict[str, Any]]


def examples(rows: Sequence[Mapping[str, Any]], family: PromptFormat) -> list[dict[str, Any]]:
    """Rows of our JSONL files with their prompts, as `datasets.Dataset.from_list` takes them. Raises ProblemError."""
    # Every row has all fields: `from_list` takes those of the first one and silently leaves out the others.
    fields = dict.fromkeys(name for row in rows for name in row)
    return [{**fields, **row, "prompt": messages(row, family)} for row in rows]


class LeanReward:
    """The rewards of a batch of completions, all of which are judged side by side.

    The theorems come from the data set's columns, which have the fields of our JSONL files (`formal_statement`,
    `header`, …; data/problems.py). Lean's reasons go to TRL's table of completions as its column `verdict`.
    """

    def __init__(self, judge: Judge) -> None:
        self._grader = Grader(judge)

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        log_extra: Callable[[str, list[str]], None] | None = None,
        **columns: Any,
    ) -> list[float]:
        """The reward of each completion, judged side by side. Raises ProblemError for a row that has no theorem in it.

        completions: texts, or lists of messages of which the last one counts. columns: the data set's, by name.
        """
        given = {name: values for name, values in columns.items() if isinstance(values, list)}
        rows = [{name: values[number] for name, values in given.items()} for number in range(len(completions))]
        waiting = [self._grader.grade(row, _text(said)) for row, said in zip(rows, completions, strict=True)]
        graded = [future.result() for future in waiting]
        if log_extra:
            log_extra("verdict", [str(g.verdict.reason) for g in graded])
        return [g.reward for g in graded]

    def close(self) -> None:
        """See Grader.close."""
        self._grader.close()


def _text(completion: Completion) -> str:
    return completion if isinstance(completion, str) else str(completion[-1]["content"] or "")
