'use strict';
/**
 * Lean's objects in wasm32 memory (lean.h of Lean 4.28): read them, make them, count references. No other file reads an address.
 *
 * An object is a 32-bit word. Odd: a boxed scalar, (n << 1) | 1. Even: an address of
 *
 *   +0  int32   reference count (> 0 owned by one thread, < 0 shared, 0 persistent)
 *   +4  uint16  size in bytes (small objects only)
 *   +6  uint8   number of object fields (constructors only)
 *   +7  uint8   tag: constructor index, or one of the special tags below
 *   +8  …       constructor: object fields (4 bytes each), then scalar fields
 *               string (249): +8 size in bytes with the final NUL, +12 capacity, +16 length in code points, +20 data
 *               array (246):  +8 size, +12 capacity, +16 elements
 *               closure (245): +8 function table slot, +12 uint16 arity, +14 uint16 fixed arguments
 *               reference (253) and promise: +8 value
 *
 * Ownership follows Lean's compiler: "owned" arguments and results carry one count that the receiver must spend,
 * "borrowed" ones do not. A compiled function `f` owns all its arguments, except those that `f___boxed` decrements.
 * An IO function takes no world token here and returns constructor 0 (ok v) or 1 (error e); closures take one.
 */

const CLOSURE = 245;
const { Buffer } = require('buffer');

const abi = { W: null };          // W: the exports of the wasm instance
let memory, U8, I32, U32;

/**
 * Connect to a running instance. `addFunction` is the glue's, which puts a function into the function table; `lookUp` answers
 * with the slot of one of Lean's symbols there.
 */
abi.attach = (wasmExports, wasmMemory, functions) => { abi.W = wasmExports; memory = wasmMemory; Object.assign(abi, functions); };

/** Views on the memory, made again after it has grown (a view of the old size would miss new objects). */
const view = () => {
  const buffer = memory.buffer;
  if (U8 === undefined || U8.buffer !== buffer) { U8 = new Uint8Array(buffer); I32 = new Int32Array(buffer); U32 = new Uint32Array(buffer); }
};
abi.memoryBytes = () => memory.buffer.byteLength;
abi.memory = () => memory;

// ---- scalars and headers ----
abi.box = n => (n << 1) | 1;
abi.unbox = o => o >>> 1;
abi.isScalar = o => (o & 1) === 1;
abi.nil = abi.box(0);             // also: none, anonymous name, empty list, unit
abi.isNil = o => o === abi.nil;
const word = address => { view(); return I32[address >>> 2]; };
const byte = address => { view(); return U8[address >>> 0]; };
/** Constructor index of an object, boxed or not. */
abi.tag = o => o & 1 ? o >>> 1 : byte(o + 7);
abi.fieldCount = o => o & 1 ? 0 : byte(o + 6);
/** The object that a C++ reference refers to, borrowed. */
abi.referred = address => word(address);
/** i-th object field, borrowed. */
abi.field = (o, i) => word(o + 8 + 4 * i);
/** i-th byte of the scalar fields. */
abi.scalar = (o, i) => byte(o + 8 + 4 * abi.fieldCount(o) + i);

// ---- reference counts ----
/** Take n more counts; returns the object. */
abi.inc = (o, n = 1) => {
  if (o & 1) return o;
  view();
  const count = I32[o >>> 2];
  if (count > 0) I32[o >>> 2] = count + n; else if (count < 0) Atomics.sub(I32, o >>> 2, n);
  return o;
};
abi.dec = o => {
  if (o & 1) return;
  view();
  const count = I32[o >>> 2];
  if (count > 1) I32[o >>> 2] = count - 1; else if (count !== 0) abi.W.lean_dec_ref_cold(o);
};

// ---- strings ----
/** JS string to an owned Lean string (UTF-8; a lone surrogate becomes U+FFFD). */
abi.string = s => {
  const bytes = Buffer.from(s, 'utf8'), n = bytes.length, p = abi.W.malloc(n + 1);
  view(); U8.set(bytes, p >>> 0); U8[(p >>> 0) + n] = 0;
  let points = 0;
  for (let i = 0; i < n; i++) if ((bytes[i] & 0xC0) !== 0x80) points++;
  const o = abi.W.lean_mk_string_unchecked(p, n, points);
  abi.W.free(p);
  return o;
};
/** Borrowed Lean string to a JS string. */
abi.text = o => { const n = word(o + 8) - 1, p = (o >>> 0) + 20; return Buffer.from(U8.slice(p, p + n)).toString('utf8'); };
/** Owned Lean string to a JS string. */
abi.takeText = o => { const s = abi.text(o); abi.dec(o); return s; };

// ---- constructors ----
/** New constructor object: owned object fields, then the bytes of its scalar fields. */
abi.ctor = (tag, fields, scalars = []) => {
  const n = fields.length, p = abi.W.malloc(4 * n + 8);
  view();
  for (let i = 0; i < n; i++) I32[(p >>> 2) + 1 + i] = fields[i];
  abi.W._ZN4lean8mk_cnstrEjjPP11lean_objectj(p, tag, n, p + 4, scalars.length);
  const o = word(p);
  abi.W.free(p);
  view();
  for (let i = 0; i < scalars.length; i++) U8[(o + 8 + 4 * n + i) >>> 0] = scalars[i];
  return o;
};
/** Owned constructor object with its i-th object field replaced by an owned value; in place where nobody else sees it. */
abi.withField = (o, i, value) => {
  if (word(o) === 1) { const old = abi.field(o, i); view(); I32[(o + 8 + 4 * i) >>> 2] = value; abi.dec(old); return o; }
  const n = abi.fieldCount(o), fields = [];
  for (let k = 0; k < n; k++) fields.push(k === i ? value : abi.inc(abi.field(o, k)));
  const start = (o >>> 0) + 8 + 4 * n, size = U8[(o >>> 0) + 4] | U8[(o >>> 0) + 5] << 8;
  const copy = abi.ctor(abi.tag(o), fields, [...U8.subarray(start, (o >>> 0) + size)]);
  abi.dec(o);
  return copy;
};
abi.some = value => abi.ctor(1, [value]);
/** Value of an owned `Option`, owned, or null. */
abi.option = o => { if (o & 1) return null; const v = abi.inc(abi.field(o, 0)); abi.dec(o); return v; };

// ---- lists, arrays, persistent collections: items are borrowed ----
abi.list = xs => xs.reduceRight((tail, x) => abi.ctor(1, [x, tail]), abi.nil);
abi.listItems = l => { const xs = []; for (; !(l & 1); l = abi.field(l, 1)) xs.push(abi.field(l, 0)); return xs; };
abi.array = xs => xs.reduce((a, x) => abi.W.lean_array_push(a, x), abi.W.lean_array_mk(abi.nil));
abi.arraySize = a => word(a + 8);
abi.arrayItem = (a, i) => word(a + 16 + 4 * i);
abi.arrayItems = a => { const n = abi.arraySize(a), xs = new Array(n); for (let i = 0; i < n; i++) xs[i] = abi.arrayItem(a, i); return xs; };
/** Lean.Options (owned; pairs, of which the first one of a name counts) with some more (name → true or false). */
abi.withOptions = (options, more) => Object.entries(more).reduce((list, [name, on]) =>
  abi.ctor(1, [abi.ctor(0, [abi.parseName(name), abi.ctor(BOOLEAN, [], [on ? 1 : 0])]), list]), options);
const BOOLEAN = 1;                // of Lean.DataValue
/** Items of a PersistentArray: a tree of nodes (tag 0) and leaves (tag 1), then a tail. */
abi.persistentItems = o => {
  const xs = [];
  const go = node => { const children = abi.arrayItems(abi.field(node, 0)); if (abi.tag(node) === 1) xs.push(...children); else children.forEach(go); };
  go(abi.field(o, 0));
  xs.push(...abi.arrayItems(abi.field(o, 1)));
  return xs;
};
/**
 * [key, value] pairs of a PersistentHashMap: nodes (tag 0) of entries, refs and nulls; collision nodes (tag 1). With `earlier`, a map from
 * which it has come, without the parts that the two share; some pairs may still be of both.
 */
abi.persistentPairs = (o, earlier = abi.nil) => {
  const pairs = [];
  const go = (node, old) => {
    if (abi.tag(node) === 1) { const keys = abi.arrayItems(abi.field(node, 0)), values = abi.arrayItems(abi.field(node, 1)); keys.forEach((k, i) => pairs.push([k, values[i]])); return; }
    const known = abi.isScalar(old) || abi.tag(old) === 1 ? [] : abi.arrayItems(abi.field(old, 0));
    abi.arrayItems(abi.field(node, 0)).forEach((entry, i) => {
      if (entry & 1 || entry === known[i]) return;
      if (abi.tag(entry) === 0) { pairs.push([abi.field(entry, 0), abi.field(entry, 1)]); return; }
      const before = known[i] === undefined || known[i] & 1 || abi.tag(known[i]) === 0 ? abi.nil : abi.field(known[i], 0), now = abi.field(entry, 0);
      if (now !== before) go(now, before);
    });
  };
  go(o, earlier);      // a structure of one field is that field
  return pairs;
};

// ---- names ----
/** Text as a user writes it (`«…»` for odd parts) to an owned Name; anonymous where it is none. */
abi.parseName = s => abi.W.l_String_toName(abi.string(s));
/** Borrowed Name to text, odd parts quoted. */
abi.nameText = n => abi.takeText(abi.W.l_Lean_Name_toString(abi.inc(n), 1));
/** Borrowed Name to a key: one for each name, where `nameText` has one text for some that differ (`«#a».«b»`). */
abi.nameKey = n => {
  if (n & 1) return '';
  const part = abi.field(n, 1), text = abi.tag(n) === 1 ? abi.text(part) : abi.isScalar(part) ? String(abi.unbox(part)) : abi.nameText(n);
  return `${abi.nameKey(abi.field(n, 0))}${abi.tag(n)}:${text.length}:${text}`;
};
/** Borrowed Name to its parts joined by dots, unquoted; fast, for syntax kinds. */
abi.kindText = n => {
  if (n & 1) return '';
  const last = abi.tag(n) === 1 ? abi.text(abi.field(n, 1)) : String(abi.unbox(abi.field(n, 1))), prefix = abi.field(n, 0);
  return prefix & 1 ? last : abi.kindText(prefix) + '.' + last;
};

// ---- calls ----
/** Call one of Lean's symbols that is no export: for what is not done often. */
abi.call = (symbol, ...args) => (called[symbol] ??= abi.table.get(abi.lookUp(symbol)))(...args);
const called = {};
/** A Lean constant (closed term) of the library, borrowed. */
abi.constant = symbol => { const g = abi.W[symbol]; if (!g) throw Error(`this Lean has no ${symbol}`); return word(g.value); };
/** The value of an owned IO result, owned; its error as an exception (`what` says what was tried). */
abi.io = (result, what) => {
  const value = abi.inc(abi.field(result, 0)), failed = abi.tag(result) !== 0;
  abi.dec(result);
  if (failed) throw Error((what ? `${what}: ` : '') + abi.takeText(abi.W.lean_io_error_to_string(value)));
  return value;
};
abi.ref = value => abi.W.lean_st_mk_ref(value);
abi.refGet = ref => abi.W.lean_st_ref_get(ref);            // owned
abi.refTake = ref => abi.W.lean_st_ref_take(ref);          // owned, leaves the reference empty
abi.refSet = (ref, value) => { abi.W.lean_st_ref_set(ref, value); };
/** Address of a reference's value, for the watchdog thread. */
abi.refValueAddress = ref => (ref >>> 0) + 8;
abi.refValue = ref => word(ref + 8);

/** The value of a promise (borrowed) that has been kept, owned, or null. */
abi.promised = promise => { const value = word(word(promise + 8) + 8); return value && !(value & 1) ? abi.inc(abi.field(value, 0)) : null; };

const slots = {};                 // one function table entry per arity, calling the JS body set last
/** JS function as an owned Lean closure of that arity (the world token counts); valid until the next one of the same arity. */
abi.closure = (arity, body) => {
  const slot = slots[arity] ??= (() => { const s = {}; s.index = abi.addFunction((...args) => s.body(...args), 'i'.repeat(arity + 1)); return s; })();
  slot.body = body;
  const o = abi.ctor(0, [abi.nil, abi.nil]);
  view();
  U32[(o + 8) >>> 2] = slot.index; U32[(o + 12) >>> 2] = arity; U8[(o + 7) >>> 0] = CLOSURE; U8[(o + 6) >>> 0] = 0;
  return o;
};
abi.ok = value => abi.ctor(0, [value]);

module.exports = abi;
