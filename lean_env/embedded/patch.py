"""The patches that make the published wasm build of Lean fit for checking proofs: `patch_js` and `patch_wasm`.

The build is meant for a browser page: its glue names all 201,109 exports (89 MB of JavaScript that takes seconds to
parse) and its tasks run on four worker threads, each of which would load the module again. We keep the exports that the
glue and the driver use, let tasks run where they are made, and have Lean's interpreter ask the driver before it runs
anything.

Every edit looks for the exact text or bytes of this one build and raises `PatchError` where they are not there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from lean_env.embedded import wasm
from lean_env.embedded.invoke import TABLE, invoke_wasm
from lean_env.embedded.wasm import Section, WasmError


class PatchError(Exception):
    """The build is not the one that the patches were written for."""


# ---- lean.js ---------------------------------------------------------------------------------------------------------

# `Module.maxBytes` is the most bytes that Lean's memory may have. The build allows 2 GiB.
_PRELUDE = "var __maxPages=Math.min(32768,Math.floor((Module.maxBytes??2147483648)/65536));"

_JS_EDITS = (
    # No worker is ever needed (see `single_thread`), so none is started.
    ("var pthreadPoolSize=4;", "var pthreadPoolSize=0;"),
    # The memory limit, twice: the engine refuses to grow beyond it, and malloc, which asks for 20% more than it needs,
    # asks for what is left.
    ("maximum:32768,shared:true", "maximum:__maxPages,shared:true"),
    ("var getHeapMax=()=>2147483648;", "var getHeapMax=()=>__maxPages*65536;"),
    # Dynamic look-up (`dlsym`) is the driver's, and finds nothing of JavaScript. (What follows there is not reached.)
    (
        "symbol=UTF8ToString(symbol);var result;var newSymIndex;",
        "var found=Module.lookUp(UTF8ToString(symbol));if(!found){dlSetError('unknown symbol')}return found;"
        "var result;var newSymIndex;",
    ),
    ('newDSO("__main__",0,wasmImports)', 'newDSO("__main__",0,{})'),
    ('mergeLibSymbols(wasmExports,"main");', ""),
    # Node's permission model has no `process.binding`.
    ('process.binding("constants")["fs"]', 'require("fs").constants'),
    # Without `replace` only names that have an entry already can change: a few instead of all exports.
    (
        "var updateGOT=(exports,replace)=>{for(var symName in exports){if(isInternalSym(symName)){continue}",
        "var updateGOT=(exports,replace)=>{for(var symName of(replace?Object.keys(exports):Object.keys(GOT)))"
        "{if(!(symName in exports)||isInternalSym(symName)){continue}",
    ),
)

_DEBUG_PRINT = 'console.log("[DEBUG'  # the port's traces, which would come out between our own lines
_DEBUG_HOOK = 'globalThis.__leandbg?.("[DEBUG'  # nothing, unless the driver defines it

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_EXPORT_USED = re.compile(r'wasmExports\["([^"]+)"\]')


def patch_js(source: str) -> tuple[str, set[str]]:
    """Patch lean.js: 0.7 MB of its 89 MB, with a memory limit and no workers, and symbols looked up by the driver.

    Only the exports that the glue uses are left. Returns the text, which is the body of a function of Module, require,
    process, __filename and __dirname; and the names of the exports that it uses. Raises PatchError if `source` is not
    the expected build.
    """
    function = "function assignWasmExports(wasmExports){"
    start = _find(source, function)
    end = _find(source, "}var wasmImports;function assignWasmImports")
    declaration = source.rfind(";var ", 0, start)  # `var a,b,c…;` of all exports stands right before the function
    if declaration < 0:
        raise PatchError("lean.js: the exports are not declared before assignWasmExports")
    head, tail = source[: declaration + 1], source[end + 1 :]

    used = set(_IDENTIFIER.findall(head)) | set(_IDENTIFIER.findall(tail))
    kept = [name for name in source[declaration + len(";var ") : start - 1].split(",") if name in used]
    wanted = set(kept)
    assignments = []
    for assignment in source[start + len(function) : end].split(";"):
        *targets, value = assignment.split("=")  # a=Module["a"]=wasmExports["a"], perhaps with .value at the end
        assignments += [f"{target}={value}" for target in targets if target in wanted]
    if len(assignments) != len(kept):
        raise PatchError(f"lean.js: {len(kept)} exports are used, {len(assignments)} are assigned")

    script = f"{head}var {','.join(kept)};{function}{';'.join(assignments)}}}{tail}"
    for old, new in _JS_EDITS:
        at = _find(script, old)
        script = script[:at] + new + script[at + len(old) :]
    return _PRELUDE + script.replace(_DEBUG_PRINT, _DEBUG_HOOK), set(_EXPORT_USED.findall(script))


def _find(text: str, part: str) -> int:
    """The offset of a part that occurs exactly once. Raises PatchError."""
    at = text.find(part)
    if at < 0 or text.find(part, at + 1) >= 0:
        raise PatchError(f"lean.js: expected exactly once: {part[:60]}")
    return at


# ---- lean.wasm -------------------------------------------------------------------------------------------------------

_I32_CONST_1_TO_LOCAL_3 = bytes([0x41, 1, 0x21, 3])
# i32.const <address of g_task_manager>; i32.load align=2 offset=0; i32.eqz
_IS_TASK_MANAGER_NULL = bytes([0x41, 0xD0, 0xD8, 0xDD, 0x00, 0x28, 0x02, 0x00, 0x45])
# The same for address 8, written in as many bytes. Nothing lives below the first data segment: it always reads 0.
_IS_NULL_NULL = bytes([0x41, 0x88, 0x80, 0x80, 0x00, 0x28, 0x02, 0x00, 0x45])

ASKED = "getaddrinfo"
"""The import that the interpreter calls before it runs anything: (entry, environment, name, 0) → 0.

Lean does not use it otherwise. Its type is the right one already, so that no function index changes."""

_ENTRIES = {  # function → (its number for the driver, parameters that hold the environment and the name)
    "_ZN4lean2ir9run_boxedERKNS_16elab_environmentERKNS_7optionsERKNS_4nameEjPP11lean_object": (0, 0, 2),
    "_ZN4lean2ir16run_boxed_kernelERKNS_11environmentERKNS_7optionsERKNS_4nameEjPP11lean_object": (1, 0, 2),
    "lean_run_init": (2, 0, 2),
}
"""The functions by which C++ enters the interpreter: for constants, the kernel (`Lean.reduceBool`) and `initialize`.

Closures that an evaluation has made are entered by other functions: to allow the evaluation is to allow them."""

_CHARGE = "l_IO_addHeartbeats"
_HANDED_OVER = ("l_Lean_Core_wrapAsync___redArg___lam__0", "l_Lean_Core_wrapAsync___redArg___lam__0___boxed")
_ZERO = 1  # the number 0 as Lean's objects are written

_UNASKED = re.compile("___at___|_spec__|___lam__|___closed__|___redArg")
"""A pattern of names that are never looked up: parts of functions that Lean's compiler has made.

Code that is compiled later has its own copies of what it inlines."""

_USED = Path(__file__).parent / "exports.txt"
"""The file with the names of the exports that the driver uses."""


@dataclass(frozen=True)
class Patched:
    """The files that lean.wasm is patched into.

    invoke_wasm: the module of its `invoke_…` imports and of its function table (invoke.py).
    symbols: the names that Lean looks up at run time, one a line: functions in the order of the table `symbols`, then
    data with their addresses.
    """

    lean_wasm: bytes
    invoke_wasm: bytes
    symbols: str


def patch_wasm(module: bytes, used: Collection[str]) -> Patched:
    """Patch lean.wasm: tasks run at once on the only thread, the interpreter asks before it runs, most exports go.

    used: names of the exports that the glue uses.

    Without a task manager Lean runs tasks at once by itself; but promises need a task manager, so it must exist, and
    only these three functions may not see it:
    - `lean_task_spawn_core` asks first whether there is a task manager; it now asks a word that is always null.
    - `lean_task_map_core` and `lean_task_bind_core` have a parameter `sync` (number 3), now always true.

    Lean counts the work of each thread and stops what has used up its share (`maxHeartbeats`). What is handed to
    another thread (`Core.wrapAsync`) is first charged with all that was counted so far. With one thread this is added
    to what it was taken from, which doubles it each time: `simp` with eight definitions would be stopped. It is
    charged with nothing now.

    Each of the interpreter's entries first calls the import `ASKED`, which may throw.

    An export takes time at each start. Functions that are only looked up by name become entries of a table, `symbols`,
    which take none. The globals that can change are exported as `global_<n>`, for a snapshot to set.

    Raises PatchError if `module` is not the expected build.
    """
    try:
        return _patched(module, used)
    except WasmError as error:
        raise PatchError(f"lean.wasm: {error}") from None


def _patched(module: bytes, used: Collection[str]) -> Patched:
    """`patch_wasm`. Raises WasmError."""
    in_order = list(wasm.sections(module))
    sections = {section.id: section for section in in_order}
    wanted = (wasm.CUSTOM, wasm.TYPES, wasm.IMPORTS, wasm.TABLES, wasm.GLOBALS, wasm.EXPORTS, wasm.ELEMENTS, wasm.CODE)
    if not set(wanted) <= sections.keys():
        raise WasmError("a section is missing")
    types = wasm.signatures(module, sections[wasm.TYPES])
    imports = wasm.imports(module, sections[wasm.IMPORTS])
    invoked = {i.name: types[i.type] for i in imports if i.kind == wasm.FUNCTION and i.name.startswith("invoke_")}
    slots = wasm.table(module, sections[wasm.TABLES])
    names = _Names.sort(module, sections, imports, used)
    edited: dict[int, list[bytes | memoryview]] = {
        wasm.IMPORTS: _more(module, sections[wasm.IMPORTS], _table_import(slots)),
        wasm.TABLES: [wasm.vector([bytes([wasm.FUNCREF, 0]) + wasm.unsigned(len(names.functions))])],
        wasm.EXPORTS: [wasm.vector(names.exports)],
        wasm.ELEMENTS: _more(module, sections[wasm.ELEMENTS], wasm.segment(_SYMBOLS, names.functions.values())),
        wasm.CODE: _code(module, sections, [i.name for i in imports if i.kind == wasm.FUNCTION]),
    }
    view = memoryview(module)  # slices without copies: this is 137 MB
    parts: list[bytes | memoryview] = [wasm.HEADER]
    for section in in_order:
        content = edited.get(section.id)
        parts += wasm.section(section.id, content) if content else [view[section.header : section.end]]
    symbols = [*names.functions, *(f"{name} {address}" for name, address in names.data.items())]
    return Patched(b"".join(parts), invoke_wasm(invoked, slots), "\n".join(symbols) + "\n")


_SYMBOLS = 1  # the table: number 0 is the function table


@dataclass(frozen=True)
class _Names:
    """The exports of the original module, sorted by what becomes of them."""

    exports: list[bytes]  # entries of the export section that stay, and new ones
    functions: dict[str, int]  # by name, what is only looked up, …
    data: dict[str, int]  # … with the addresses of data

    @classmethod
    def sort(
        cls, module: bytes, sections: dict[int, Section], imports: list[wasm.Import], used: Collection[str]
    ) -> _Names:
        """Sort the exports; `used`: those that the glue uses. Raises WasmError where one is missing."""
        linking = sections[wasm.CUSTOM]  # "dylink.0": it names, among others, the variables of each thread
        ours = set(_USED.read_text().split())
        stay = {*used, *ours, *(i.name for i in imports if i.module.startswith("GOT."))}
        stay |= set(_IDENTIFIER.findall(module[linking.start : linking.end].decode("latin-1")))
        first = sum(i.kind == wasm.GLOBAL for i in imports)
        values = wasm.global_values(module, sections[wasm.GLOBALS])
        exports, functions, data = [], {}, {}
        for name, kind, index, entry in wasm.exports(module, sections[wasm.EXPORTS]):
            if name in stay or kind not in (wasm.FUNCTION, wasm.GLOBAL):
                exports.append(entry)
                stay.discard(name)
            if not name.startswith(_LOOKED_UP) or _UNASKED.search(name):
                continue
            if kind == wasm.FUNCTION:
                functions[name] = index
            elif kind == wasm.GLOBAL and (address := values[index - first]) is not None:
                data[name] = address
        if missing := (ours & stay):
            raise WasmError(f"not exported: {', '.join(sorted(missing))}")
        exports += [
            wasm.export(f"global_{n}", wasm.GLOBAL, first + n) for n, value in enumerate(values) if value is None
        ]
        exports.append(wasm.export("symbols", wasm.TABLE, _SYMBOLS))
        return cls(exports, functions, data)


_LOOKED_UP = ("l_", "_init_l_", "initialize_", "lean_")


def _table_import(slots: int) -> bytes:
    """The entry that imports the function table, which was the module's own."""
    return wasm.text("env") + wasm.text(TABLE) + bytes([wasm.TABLE, wasm.FUNCREF, 0]) + wasm.unsigned(slots)


def _more(module: bytes, section: Section, entry: bytes) -> list[bytes | memoryview]:
    """The content of a section with one more entry."""
    rest = wasm.Reader(module, section.start)
    count = rest.number()
    return [wasm.unsigned(count + 1), memoryview(module)[rest.at : section.end], entry]


def _code(module: bytes, sections: dict[int, Section], imports: list[str]) -> list[bytes | memoryview]:
    """The content of the code section with the patched functions; `imports`: the names of the imported functions."""
    functions = {name: k for name, kind, k, _ in wasm.exports(module, sections[wasm.EXPORTS]) if kind == wasm.FUNCTION}
    if ASKED not in imports:
        raise WasmError(f"{ASKED} is not imported")
    named: dict[str, Callable[[bytes], bytes]] = {
        "lean_task_spawn_core": _without_task_manager,
        "lean_task_map_core": _always_sync,
        "lean_task_bind_core": _always_sync,
    }
    for name, entry in _ENTRIES.items():
        named[name] = functools.partial(_asking, imports.index(ASKED), *entry)
    for name in _HANDED_OVER:
        named[name] = functools.partial(_charging_nothing, functions.get(_CHARGE))
    edits = {}
    for name, edit in named.items():
        if name not in functions:
            raise WasmError(f"{name} is not exported")
        edits[functions[name] - len(imports)] = edit
    if len(edits) != len(named):
        raise WasmError("two of the functions to be edited are one")

    view, section = memoryview(module), sections[wasm.CODE]
    parts: list[memoryview | bytes] = []
    copied = section.start  # up to here the section is in `parts`
    read = wasm.Reader(module, section.start)
    read.number()  # how many bodies
    for index in range(max(edits) + 1):
        header = read.at
        size = read.number()
        if index in edits:
            body = edits[index](module[read.at : read.at + size])
            parts += [view[copied:header], wasm.unsigned(len(body)), body]
            copied = read.at + size
        read.at += size
    return [*parts, view[copied : section.end]]


def _without_task_manager(body: bytes) -> bytes:
    """The body of `lean_task_spawn_core`, which no longer sees a task manager."""
    if _IS_TASK_MANAGER_NULL not in body:
        raise WasmError("lean_task_spawn_core does not test the task manager as expected")
    return body.replace(_IS_TASK_MANAGER_NULL, _IS_NULL_NULL, 1)


def _always_sync(body: bytes) -> bytes:
    """The body of a function that first sets its parameter `sync` (number 3)."""
    return _before(body, _I32_CONST_1_TO_LOCAL_3)


def _charging_nothing(charge: int | None, body: bytes) -> bytes:
    """The body of a function with 0 as the argument of its one call of function `charge`: drop, i32.const, call."""
    call = b"" if charge is None else bytes([0x10, *wasm.unsigned(charge)])
    if not call or body.count(call) != 1:
        raise WasmError("what is handed to another thread is not charged as expected")
    return body.replace(call, bytes([0x1A, 0x41, _ZERO]) + call)


def _asking(asked: int, entry: int, environment: int, name: int, body: bytes) -> bytes:
    """The body of a function that first calls import `asked`: i32.const, two local.get, i32.const 0, call, drop."""
    question = bytes([0x41, entry, 0x20, environment, 0x20, name, 0x41, 0, 0x10, *wasm.unsigned(asked), 0x1A])
    return _before(body, question)


def _before(body: bytes, instructions: bytes) -> bytes:
    """The body of a function with some instructions before its own."""
    read = wasm.Reader(body, 0)
    for _ in range(read.number()):  # local variables come in groups: how many, of which type
        read.number()
        read.at += 1
    return body[: read.at] + instructions + body[read.at :]
