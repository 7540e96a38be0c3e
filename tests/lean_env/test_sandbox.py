"""Nothing that Lean is given reaches the machine: attacks that work without locks, and each lock alone."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lean_env import Lean, rules
from lean_env.embedded.node import node
from lean_env.process import OutOfTime, ProcessDied, ReplProcess
from tests.lean_env.unlocked import lean_behind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the locks of other systems are fewer")

# Runs JavaScript in the process that judges, from four lines of Lean (after shared/soundness/escape).
ESCAPE = """\
@[export emscripten_run_script_int, extern "zzz"] opaque js (p : Nat) : Nat
unsafe def run (s : String) : Nat := js (((ptrAddrUnsafe s).toNat + 20) / 2)
#eval IO.println (repr (unsafe (run "PAYLOAD")))
"""
# The same from a tactic's configuration: a `sorry` makes a string pass for a number and a byte array for a closure.
CONFIGURED = """\
theorem same {α β : Type} : α = β := by sorry
def ofBytes (p : ByteArray × Nat) : UInt32 := cast same p
def ofString (p : String × Nat) : UInt32 := cast same p
def ofPair (p : (Nat × Nat) × Nat) : UInt32 := cast same p
def toNumber (x : UInt32) : Nat := ((cast same #[x] : Array (Nat × Nat)).getD 0 (0, 0)).1
def closure (slot : UInt32) (arity : UInt8) : ByteArray :=
  [0xE8, 3, 0, 0, 16, 0, 0, 0xF5, slot.toUInt8, (slot >>> 8).toUInt8, (slot >>> 16).toUInt8, 0, arity, 0, 0, 0].foldl
    (fun bytes byte => bytes.push byte) (ByteArray.emptyWithCapacity 64)
def apply2 (c : Nat) (a b : Nat) : Nat × Nat := (cast same c : Nat → Nat → Nat × Nat) a b
def apply1 (c : Nat) (a : Nat) : Nat × Nat := (cast same c : Nat → Nat × Nat) a
def address (s : String) : Nat := ((ofString (s, 0)).toNat + 20) / 2
def look (n : Nat) (c : ByteArray) : UInt32 :=
  ofPair (apply2 (toNumber (ofBytes (c, n) + 16)) (toNumber n.toUInt32) (address ";emscripten_run_script_int"), n)
def call (n : Nat) (c : ByteArray) : UInt32 :=
  ofPair (apply1 (toNumber (ofBytes (c, n) + 16)) (address "PAYLOAD"), n)
def f (n : Nat) : Nat := (call n (closure (look n (closure (n + 1063).toUInt32 2)) 1)).toNat + 100000
theorem t (a : Nat) : a + 0 = a := by simp (maxSteps := f 0)
"""

# What an attack tries. Each throws where it is stopped; `Python.pid`, `Python.port` and so on are filled in.
PAYLOADS = {
    "read": "fs.readFileSync('/etc/passwd').length > 0",
    "home": "fs.readdirSync(HOME).length >= 0",
    "environment": "process.env.SECRET_KEY.length > 0",
    "write": "(fs.writeFileSync(FOLDER + '/written', 'x'), true)",
    "write-in-cwd": "(fs.writeFileSync('written', 'x'), true)",
    "mode": "(fs.chmodSync(MINE, 0o777), true)",
    "times": "(fs.utimesSync(MINE, 1, 1), true)",
    "process": "require('child_process').execSync('id').length > 0",
    "signal-parent": "process.kill(PARENT, 'SIGCONT')",
    "signal-neighbour": "process.kill(NEIGHBOUR, 'SIGCONT')",
    "memory-of-parent": "fs.readSync(fs.openSync('/proc/' + PARENT + '/mem'), Buffer.alloc(8), 0, 8, ADDRESS) === 8",
    "fork-bomb": "[...Array(50)].map(() => require('child_process').spawnSync('/bin/true')).every(x => !x.error)",
    "large-file": "(fs.writeSync(fs.openSync(FOLDER + '/large', 'w'), 'x', 10e9), true)",
    "memory": "[...Array(100)].map(() => Buffer.alloc(2 ** 30, 1)).length === 100",
    "open-files": "[...Array(10000)].map(() => fs.openSync(OPENABLE)).length === 10000",
    # Whether these came through is seen at the other end, once Lean has answered.
    "connect": "require('net').connect(PORT, '127.0.0.1').on('error', () => {})",
    "connect-unix": "require('net').connect(FOLDER + '/socket').on('error', () => {})",
}


def javascript(payloads: dict[str, str], facts: dict[str, object]) -> str:
    """JavaScript in one line, as a Lean string has it, that says on standard error what became of each payload."""
    constants = "".join(f"const {name}={json.dumps(value)};" for name, value in facts.items())
    attempts = "".join(f"attempt({json.dumps(name)},()=>{payload});" for name, payload in payloads.items())
    text = (
        ";(()=>{const fs=require('fs'),process=require('process'),{Buffer}=require('buffer');"
        f"{constants}"
        "const attempt=(name,payload)=>{let r;try{r=payload()?'REACHED':'stopped'}catch(e){r='stopped'}"
        f"fs.writeSync(2,'ATTACK '+name+' '+r+String.fromCharCode(10))}};{attempts}}})();7"
    )
    return text.replace("\\", "\\\\").replace('"', '\\"')


def attack(opened: Path, locks: Collection[str], text: str, names: Collection[str], place: Place) -> dict[str, str]:
    """What became of payloads that ran in a process behind these locks: name → REACHED or stopped."""
    lean = lean_behind(locks, opened)
    code = text.replace("PAYLOAD", javascript({name: PAYLOADS[name] for name in names}, place.facts))
    requests: list[dict[str, object]] = [{"cmd": code}]
    if "guard" in locks or "interpreter" in locks:  # they look at solutions
        challenge = {"cmd": "theorem t (a : Nat) : a + 0 = a := by sorry", "challenge": True}
        requests = [challenge, {"cmd": code, "guard": {"env": 0, "rules": rules.to_json()}}]
    text = "".join(json.dumps(r) + "\n\n" for r in requests)
    done = subprocess.run(
        lean.argv,
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=place.folder,
        env={"SECRET_KEY": "secret"},
    )
    lines = [line.split() for line in done.stderr.splitlines() if line.startswith("ATTACK ")]
    found = {name: what for _, name, what in lines}
    return found | {name: came for name in found if (came := place.connected(name))}


@dataclass(frozen=True)
class Place:
    """What there is to be reached: a folder to write in, and what the payloads name (`facts`)."""

    folder: Path
    facts: dict[str, object]
    listeners: dict[str, socket.socket]  # by payload

    def connected(self, payload: str) -> str:
        """Whether a connection came; empty for payloads that make none."""
        if payload not in self.listeners:
            return ""
        try:
            self.listeners[payload].accept()[0].close()
        except BlockingIOError:
            return "stopped"
        return "REACHED"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(tmp_path / "socket"))
        unix.listen()
        for listener in (tcp, unix):
            listener.setblocking(False)
        neighbour = stack.enter_context(subprocess.Popen(["/bin/sleep", "300"]))
        stack.callback(neighbour.kill)
        (tmp_path / "mine").touch()
        maps = Path("/proc/self/maps").read_text().splitlines()
        facts = {
            "HOME": str(Path.home()),
            "FOLDER": str(tmp_path),
            "PARENT": os.getpid(),
            "NEIGHBOUR": neighbour.pid,
            "PORT": tcp.getsockname()[1],
            "ADDRESS": int(next(line for line in maps if " r" in line).split("-")[0], 16),
            "OPENABLE": "/dev/null",
            "MINE": str(tmp_path / "mine"),
        }
        yield Place(tmp_path, facts, {"connect": tcp, "connect-unix": unix})


HARMLESS = [name for name in PAYLOADS if name != "memory"]  # without limits that one takes the machine with it
FILES_AND_PROCESSES = [
    "read", "home", "write", "write-in-cwd", "mode", "times", "process", "memory-of-parent", "fork-bomb", "large-file",
]  # fmt: skip


@pytest.mark.parametrize("text", [ESCAPE, CONFIGURED], ids=["escape", "configured"])
def test_without_locks_the_attacks_work(text: str, place: Place, opened: Path) -> None:
    """What the tests below say is worth something only if this is so."""
    assert attack(opened, [], text, HARMLESS, place) == dict.fromkeys(HARMLESS, "REACHED")


@pytest.mark.parametrize("lock", ["guard", "interpreter"])
@pytest.mark.parametrize("text", [ESCAPE, CONFIGURED], ids=["escape", "configured"])
def test_rules_and_interpreter_each_keep_a_solution_from_running(
    text: str, lock: str, place: Place, opened: Path
) -> None:
    assert attack(opened, [lock], text, HARMLESS, place) == {}


@pytest.mark.parametrize("text", [ESCAPE, CONFIGURED], ids=["escape", "configured"])
def test_the_module_alone_reaches_no_javascript(text: str, place: Place, opened: Path) -> None:
    assert attack(opened, ["imports"], text, HARMLESS, place) == {}


def test_no_code_from_strings_alone(place: Place, opened: Path) -> None:
    assert attack(opened, ["strings"], ESCAPE, HARMLESS, place) == {}


def test_nodes_permissions_alone(place: Place, opened: Path) -> None:
    assert attack(opened, ["node"], ESCAPE, FILES_AND_PROCESSES, place) == dict.fromkeys(FILES_AND_PROCESSES, "stopped")


def test_the_process_alone_reaches_nothing(place: Place, opened: Path) -> None:
    assert attack(opened, ["process"], ESCAPE, PAYLOADS, place) == dict.fromkeys(PAYLOADS, "stopped")
    assert sorted(path.name for path in place.folder.iterdir()) == ["mine", "socket"]


PARTS = {  # of the process's lock, and what each of them stops by itself
    "landlock": [
        "read", "home", "write", "write-in-cwd", "process", "signal-parent", "signal-neighbour", "memory-of-parent",
        "fork-bomb", "large-file", "connect",
    ],
    "seccomp": [
        "mode", "times", "process", "signal-parent", "signal-neighbour", "fork-bomb", "connect", "connect-unix",
    ],
    "limits": ["large-file", "memory", "open-files"],
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_the_process_lock_alone(part: str, place: Place, opened: Path) -> None:
    names = ["environment", *PARTS[part]]  # the launcher passes no environment on, whatever the locks
    assert attack(opened, [part], ESCAPE, names, place) == dict.fromkeys(names, "stopped")


async def test_a_process_that_heeds_nothing_is_ended_from_outside() -> None:
    process = await ReplProcess.start(Lean("loop", "", (str(node()), "-e", "for (;;);")))
    with pytest.raises(OutOfTime):
        await process.request({"cmd": ""}, timeout=0.1)
    assert process.ended


async def test_an_answer_that_has_not_the_form_of_one_ends_the_process() -> None:
    for answer in (
        '{"env": -1}',
        '{"comparison": {"differs": []}}',
        '{"confirmation": {}}',
        "[]",
        '{"messages": "none"}',
    ):
        script = f"process.stdin.once('data', () => process.stdout.write({json.dumps(answer)} + '\\n\\n'))"
        process = await ReplProcess.start(Lean("liar", "", (str(node()), "-e", script)))
        with pytest.raises(ProcessDied, match="form"):
            await process.request({"cmd": ""}, timeout=10)
        assert process.ended
