"""Files of JSON lines that grow: one writer at a time, and nothing of it is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from data.records.jsonl import JsonlError, JsonlWriter, read_jsonl

HOLDING = """
import sys
from pathlib import Path
from data.records.jsonl import JsonlWriter
JsonlWriter(Path(sys.argv[1])).append([1])
lines = JsonlWriter(Path(sys.argv[2]))
lines.append([2])
print("locked", flush=True)
sys.stdin.read()
"""


def test_two_processes_cannot_write_to_one_file(tmp_path: Path) -> None:
    free, held = tmp_path / "free.jsonl", tmp_path / "held.jsonl"
    command = [sys.executable, "-c", HOLDING, str(free), str(held)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with held.open("ab") as file:
            file.write(b"half a li")  # as it is while the other one writes
        with pytest.raises(JsonlError, match=r"held\.jsonl: another process is writing to it"):
            JsonlWriter(held)
        assert held.read_bytes() == b"2\nhalf a li"
        JsonlWriter(free).close()
        process.kill()
    with closing(JsonlWriter(held)) as lines:
        lines.append([3])
    assert list(read_jsonl(held)) == [2, 3]


def test_lines_are_cut_off_and_others_added(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    with closing(JsonlWriter(file)) as lines:
        lines.append([1, 2, 3, 4])
        lines.cut(2)
        lines.append(["ä"])
        lines.cut(9)
    assert file.read_text() == f"1\n2\n{json.dumps('ä')}\n"


@pytest.mark.parametrize("line", ["{", "[" * 100_000])
def test_a_damaged_line_is_told(line: str, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(f"1\n{line}\n2\n")
    with pytest.raises(JsonlError, match=r"x\.jsonl:2: damaged"):
        list(read_jsonl(file))
