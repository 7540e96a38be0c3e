'use strict';
/**
 * Universe levels: zero, succ, max, imax (zero if its right side is zero, else max) and parameters. Every level exists once.
 * The constructors simplify, so that the right side of an imax is always a parameter. Levels are compared by what they mean:
 * a ≤ b if it holds for all natural numbers put for the parameters.
 */

const { step } = require('./verdicts.cjs');

const [ZERO, SUCC, MAX, IMAX, PARAM] = [0, 1, 2, 3, 4];
const interned = new Map();
let count = 0;

/** A level; `a` and `b` are its parts (`a` is a name for a parameter). */
class Level {
  constructor(kind, a, b) {
    this.kind = kind;
    this.a = a;
    this.b = b;
    this.id = count++;
    this.hasParam = kind === PARAM || (kind !== ZERO && (a.hasParam || (b !== null && b.hasParam)));
  }
}

/** The one level of this kind with these parts. */
function intern(kind, a, b) {
  const key = `${kind} ${a === null ? '' : a.id} ${b === null ? '' : b.id}`;
  let level = interned.get(key);
  if (level === undefined) interned.set(key, level = new Level(kind, a, b));
  return level;
}

const zero = intern(ZERO, null, null);
const succ = a => intern(SUCC, a, null);
const one = succ(zero);
const param = name => intern(PARAM, name, null);

function max(a, b) {
  if (a === b || b === zero) return a;
  return a === zero ? b : intern(MAX, a, b);
}

const distributed = new Map();      // by the two sides' numbers: their imax, where the right one is a max or an imax

function imax(a, b) {
  step();
  switch (b.kind) {
    case ZERO: return zero;
    case SUCC: return max(a, b);
    case PARAM: return a === zero || a === b ? b : intern(IMAX, a, b);
    default: {
      const key = `${a.id} ${b.id}`;
      let level = distributed.get(key);       // a level may be a part of another one many times
      if (level === undefined) distributed.set(key, level = b.kind === MAX ? max(imax(a, b.a), imax(a, b.b)) : max(imax(a, b.b), b));
      return level;
    }
  }
}

/** Puts levels for parameters: `values` maps names to levels. */
function substitute(level, values) {
  const memo = new Map();
  const go = l => {
    if (!l.hasParam) return l;
    if (l.kind === PARAM) return values.get(l.a) ?? l;
    let result = memo.get(l);
    if (result !== undefined) return result;
    step();
    if (l.kind === SUCC) result = succ(go(l.a));
    else result = l.kind === MAX ? max(go(l.a), go(l.b)) : imax(go(l.a), go(l.b));
    memo.set(l, result);
    return result;
  };
  return go(level);
}

/** A parameter on which an imax in the level hangs, or null if there is no imax in it. */
function stuckParameter(level) {
  const seen = new Set();
  const go = l => {
    if (!l.hasParam || l.kind === PARAM || seen.has(l)) return null;
    seen.add(l);
    if (l.kind === IMAX) return l.b.a;
    return go(l.a) ?? (l.b === null ? null : go(l.b));
  };
  return go(level);
}

/** A level without imax as a maximum: the greatest constant, and for each parameter the greatest number added to it. */
function maximum(level) {
  const offsets = new Map();
  let constant = 0;
  const seen = new Map();           // by level: the greatest number it was visited with
  const go = (l, added) => {
    step();
    while (l.kind === SUCC) { l = l.a; added++; }
    if (seen.get(l) >= added) return;
    seen.set(l, added);
    if (l.kind === ZERO) constant = Math.max(constant, added);
    else if (l.kind === PARAM) offsets.set(l.a, Math.max(offsets.get(l.a) ?? 0, added));
    else { go(l.a, added); go(l.b, added); }
  };
  go(level, 0);
  return { constant, offsets };
}

/** a ≤ b for levels without imax: every part of a must be below some part of b (each parameter may be zero, or large). */
function leqMaximum(a, b) {
  const left = maximum(a), right = maximum(b);
  const rightLeast = Math.max(right.constant, ...right.offsets.values());
  if (left.constant > rightLeast) return false;
  return [...left.offsets].every(([name, added]) => right.offsets.has(name) && right.offsets.get(name) >= added);
}

const compared = new Map();

/** Is a ≤ b whatever the parameters are? Where an imax hangs on a parameter, the cases zero and successor are tried. */
function leq(a, b) {
  if (a === b || a === zero) return true;
  const key = `${a.id} ${b.id}`;
  let result = compared.get(key);
  if (result !== undefined) return result;
  step();
  const name = stuckParameter(a) ?? stuckParameter(b);
  if (name === null) result = leqMaximum(a, b);
  else result = [zero, succ(param(name))].every(value => leq(substitute(a, new Map([[name, value]])), substitute(b, new Map([[name, value]]))));
  compared.set(key, result);
  return result;
}

const equal = (a, b) => a === b || (leq(a, b) && leq(b, a));
const isZero = level => leq(level, zero);
const isNeverZero = level => leq(one, level);

/** Calls `visit` on the name of every parameter in the level. */
function eachParameter(level, visit) {
  const seen = new Set();
  const go = l => {
    if (!l.hasParam || seen.has(l)) return;
    seen.add(l);
    if (l.kind === PARAM) return void visit(l.a);
    go(l.a);
    if (l.b !== null) go(l.b);
  };
  go(level);
}

/** A list of levels, as a constant has it; every list exists once. */
class LevelList {
  constructor(items, id) {
    this.items = items;
    this.id = id;
    this.hasParam = items.some(l => l.hasParam);
  }
}
const lists = new Map();

function list(items) {
  const key = items.map(l => l.id).join(' ');
  let found = lists.get(key);
  if (found === undefined) lists.set(key, found = new LevelList(items, lists.size));
  return found;
}

/** Are two lists of levels equal, one by one? */
const equalLists = (a, b) => a === b || (a.items.length === b.items.length && a.items.every((l, i) => equal(l, b.items[i])));

let kept = [];                      // the entries of `interned` and of `lists` that stay

/** From now on `forget` leaves the levels that there are now. */
function keep() { kept = [[...interned], [...lists]]; }

/** Forgets the levels that were made since `keep`. */
function forget() {
  [interned, lists].forEach((table, i) => {
    table.clear();
    for (const [key, value] of kept[i]) table.set(key, value);
  });
  compared.clear();
  distributed.clear();
}

/** The level as a text, cut off at some depth. */
function show(level, deep = 8) {
  let [l, added] = [level, 0];
  for (; l.kind === SUCC; l = l.a) added++;
  const plus = added === 0 ? '' : `+${added}`;
  if (deep === 0) return '…';
  switch (l.kind) {
    case ZERO: return String(added);
    case PARAM: return `${l.a}${plus}`;
    default: return `${l.kind === MAX ? 'max' : 'imax'}(${show(l.a, deep - 1)}, ${show(l.b, deep - 1)})${plus}`;
  }
}

module.exports = { zero, one, succ, max, imax, param, substitute, leq, equal, isZero, isNeverZero, eachParameter, list, equalLists, keep, forget, show };
