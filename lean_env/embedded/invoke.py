"""The WebAssembly module of lean.wasm's `invoke_…` imports: C++ exceptions without JavaScript.

Emscripten compiles a C++ call that may throw to a call of an import `invoke_<signature>(function, arguments…)`. Its
glue has them in JavaScript: call the function by the table; if a number is thrown, which is a C++ exception, restore
the stack pointer and set `threw`; rethrow all else. In Lean these calls took a sixth of a check's time. Here each is
a WebAssembly function that does the same with `try` and `catch` (the exception-handling proposal as all engines have
it, and WebAssembly.JSTag), so that the way into the called function and out of it does not leave WebAssembly.
"""

from __future__ import annotations

from collections.abc import Mapping

from lean_env.embedded import wasm
from lean_env.embedded.wasm import EXTERNREF, F32, F64, I32, I64, Signature

TABLE = "__indirect_function_table"

_LOCAL_GET, _LOCAL_SET, _CALL, _CALL_INDIRECT = 0x20, 0x21, 0x10, 0x11
_I32_CONST, _I32_EQZ, _IF, _TRY, _CATCH, _RETHROW, _END, _EMPTY = 0x41, 0x45, 0x04, 0x06, 0x07, 0x09, 0x0B, 0x40
_ZERO = {I32: b"\x41\0", I64: b"\x42\0", F32: b"\x43" + bytes(4), F64: b"\x44" + bytes(8)}

_THROWN, _TO_I32, _I32_TO, _I32S_TO, _TO_STACK = range(5)  # the first types of the module
_TYPES: tuple[Signature, ...] = (
    ((EXTERNREF,), ()),  # of the tag: what JavaScript throws
    ((EXTERNREF,), (I32,)),
    ((I32,), ()),
    ((I32, I32), ()),
    ((), (I32,)),
)
_IMPORTS = (("isNumber", _TO_I32), ("setStack", _I32_TO), ("setThrew", _I32S_TO))  # functions 0, 1 and 2


def invoke_wasm(functions: Mapping[str, Signature], slots: int) -> bytes:
    """The bytes of the module with these functions (import name → signature, whose first parameter is the function).

    It exports them, and the function table with `slots` entries and one more. Its instantiation (driver/boot.cjs) puts
    `emscripten_stack_get_current` into that one, and gives the imports `js.tag` (WebAssembly.JSTag), `js.isNumber`,
    `js.setStack` and `js.setThrew`.
    """
    types = list(_TYPES)

    def number(signature: Signature) -> int:
        if signature not in types:
            types.append(signature)
        return types.index(signature)

    named = sorted(functions.items())
    declared = [wasm.unsigned(number(signature)) for _, signature in named]
    bodies = [_body(signature, number((signature[0][1:], signature[1])), slots) for _, signature in named]
    given = [wasm.text("js") + wasm.text("tag") + bytes([wasm.TAG, 0]) + wasm.unsigned(_THROWN)]
    given += [wasm.text("js") + wasm.text(name) + bytes([wasm.FUNCTION]) + wasm.unsigned(n) for name, n in _IMPORTS]
    exported = [wasm.export(name, wasm.FUNCTION, len(_IMPORTS) + k) for k, (name, _) in enumerate(named)]
    exported.append(wasm.export(TABLE, wasm.TABLE, 0))
    sections = {
        wasm.TYPES: [b"\x60" + _types(parameters) + _types(results) for parameters, results in types],
        wasm.IMPORTS: given,
        wasm.FUNCTIONS: declared,
        wasm.TABLES: [bytes([wasm.FUNCREF, 0]) + wasm.unsigned(slots + 1)],
        wasm.EXPORTS: exported,
        wasm.CODE: [wasm.unsigned(len(body)) + body for body in bodies],
    }
    parts = [part for kind, items in sections.items() for part in wasm.section(kind, [wasm.vector(items)])]
    return wasm.HEADER + b"".join(parts)


def _types(types: tuple[int, ...]) -> bytes:
    """A vector of value types."""
    return wasm.vector(bytes([t]) for t in types)


def _body(signature: Signature, called: int, slots: int) -> bytes:
    """A function's local variables and code; `called`: the index of the signature of the function that it calls."""
    parameters, results = signature
    stack, thrown = len(parameters), len(parameters) + 1  # local variables after the parameters
    result = results[0] if results else _EMPTY
    call = [bytes([_LOCAL_GET]) + wasm.unsigned(k) for k in (*range(1, len(parameters)), 0)]
    return b"".join(
        [
            wasm.vector([wasm.unsigned(1) + bytes([I32]), wasm.unsigned(1) + bytes([EXTERNREF])]),
            bytes([_I32_CONST]) + wasm.signed(slots) + bytes([_CALL_INDIRECT, _TO_STACK, 0, _LOCAL_SET, stack]),
            bytes([_TRY, result]),
            *call,
            bytes([_CALL_INDIRECT]) + wasm.unsigned(called) + b"\0",
            bytes([_CATCH, 0, _LOCAL_SET, thrown]),
            bytes([_LOCAL_GET, stack, _CALL, 1]),
            bytes([_LOCAL_GET, thrown, _CALL, 0, _I32_EQZ, _IF, _EMPTY, _RETHROW, 1, _END]),
            bytes([_I32_CONST, 1, _I32_CONST, 0, _CALL, 2]),
            _ZERO[results[0]] if results else b"",
            bytes([_END, _END]),
        ]
    )
