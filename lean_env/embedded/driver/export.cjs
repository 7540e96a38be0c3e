'use strict';
/**
 * Export of constants in lean4export's format (NDJSON, version 3.1), for a checker that is not Lean: the constants with
 * everything that they rest on, the library's first.
 */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');

const { KINDS, INDUCTIVE, CONSTRUCTOR, RECURSOR, find, imported, kindOf, nameOf, universeNames, type } = constants;
const { BOUND, SORT, CONST, APP, LAMBDA, PI, LET, LITERAL, ANNOTATION, PROJECTION, BINDERS, CHILDREN } = require('./expressions.cjs');
const SCALARS = 8;                // bytes of an Expr's cached data, before its own scalar field
const SAFETY = ['unsafe', 'safe', 'partial'], QUOT_KINDS = ['type', 'ctor', 'lift', 'ind'];
// What a checker needs of the library to make constructors of literals.
const OF_LITERALS = { natVal: ['Nat'], strVal: ['Nat', 'Char', 'Char.ofNat', 'List', 'String', 'String.ofList', 'String.mk'] };

/** A Nat (borrowed) as a number, where it is small: counts and indices are. */
const small = n => { if (!abi.isScalar(n)) throw Error('a count that is no small number'); return abi.unbox(n); };
const BITS = 30;                  // of a number that are read at once
/** A Nat (borrowed) in decimal digits. */
function digits(n) {
  let value = 0n, shift = 0n, rest = abi.inc(n);
  for (; !abi.isScalar(rest); shift += BigInt(BITS)) {
    value |= BigInt(abi.unbox(abi.call('lean_nat_big_land', rest, abi.box(2 ** BITS - 1)))) << shift;
    const next = abi.call('lean_nat_big_shiftr', rest, abi.box(BITS));
    abi.dec(rest);
    rest = next;
  }
  return String(value | BigInt(abi.unbox(rest)) << shift);
}
/** Fields of a constant's value structure, behind its name, universe names and type. */
const info = (c, i) => abi.field(abi.field(c, 0), i);
const flag = (c, i) => abi.scalar(abi.field(c, 0), i) === 1;

/** The lines of an export. */
class Export {
  constructor(env, before) {
    this.env = env;
    this.before = before;
    this.lines = [];
    this.known = { in: new Map([['', 0]]), il: new Map([['', 0]]), ie: new Map() };      // by what stands in the line
    this.seen = { in: new Map(), il: new Map(), ie: new Map() };                        // by address: the environment keeps them alive
    this.held = [];               // constants that were found, kept alive as long
    this.found = new Map();       // name (as a key) → { group (the constant, or all of an inductive declaration), kind, imported }
    this.started = new Set();     // names whose constants are in `found`, or about to be
  }

  /** Index of an item: that of a line of the same content, or a new line. */
  line(kind, content) {
    const known = this.known[kind], text = JSON.stringify(content);
    if (!known.has(text)) {
      known.set(text, known.size);
      this.lines.push(JSON.stringify({ [kind]: known.size - 1, ...content }));
    }
    return known.get(text);
  }

  once(kind, object, make) {
    const seen = this.seen[kind];
    if (!seen.has(object)) seen.set(object, make());
    return seen.get(object);
  }

  name(n) {
    if (abi.isNil(n)) return 0;
    return this.once('in', n, () => {
      const pre = this.name(abi.field(n, 0)), part = abi.field(n, 1);
      return this.line('in', abi.tag(n) === 1 ? { str: { pre, str: abi.text(part) } } : { num: { pre, i: Number(digits(part)) } });
    });
  }

  level(l) {
    const tag = abi.tag(l);
    if (tag === 0) return 0;
    return this.once('il', l, () => {
      if (tag === 1) return this.line('il', { succ: this.level(abi.field(l, 0)) });
      if (tag === 4) return this.line('il', { param: this.name(abi.field(l, 0)) });
      return this.line('il', { [tag === 2 ? 'max' : 'imax']: [this.level(abi.field(l, 0)), this.level(abi.field(l, 1))] });
    });
  }

  expression(e) {
    return this.once('ie', e, () => {
      const at = i => this.expression(abi.field(e, i));
      switch (abi.tag(e)) {
        case BOUND: return this.line('ie', { bvar: small(abi.field(e, 0)) });
        case SORT: return this.line('ie', { sort: this.level(abi.field(e, 0)) });
        case CONST: return this.line('ie', { const: { name: this.name(abi.field(e, 0)), us: abi.listItems(abi.field(e, 1)).map(l => this.level(l)) } });
        case APP: return this.line('ie', { app: { fn: at(0), arg: at(1) } });
        case LAMBDA: case PI: {
          const binder = { name: this.name(abi.field(e, 0)), type: at(1), body: at(2), binderInfo: BINDERS[abi.scalar(e, SCALARS)] };
          return this.line('ie', { [abi.tag(e) === PI ? 'forallE' : 'lam']: binder });
        }
        case LET: return this.line('ie', { letE: { name: this.name(abi.field(e, 0)), type: at(1), value: at(2), body: at(3), nondep: abi.scalar(e, SCALARS) === 1 } });
        case LITERAL: {
          const literal = abi.field(e, 0), value = abi.field(literal, 0);
          return this.line('ie', abi.tag(literal) === 0 ? { natVal: digits(value) } : { strVal: abi.text(value) });
        }
        case ANNOTATION: return at(1);
        case PROJECTION: return this.line('ie', { proj: { typeName: this.name(abi.field(e, 0)), idx: small(abi.field(e, 1)), struct: at(2) } });
        default: throw Error('a constant with free variables');
      }
    });
  }

  // ---- what rests on what ----

  /** Add a constant and all that it rests on to `found`, in an order in which each stands behind what it needs. */
  reach(name) {
    const c = this.before && constants.has(this.before, name) ? null : find(this.env, name);
    if (!c) return;
    this.held.push(c);
    const kind = kindOf(c);
    if (kind === CONSTRUCTOR) return this.reach(info(c, 1));              // its inductive type
    if (kind === RECURSOR) return this.reach(abi.listItems(info(c, 1))[0]);
    const first = abi.nameKey(kind === INDUCTIVE ? abi.listItems(info(c, constants.INDUCT.all))[0] : name);
    if (this.started.has(first)) return;
    this.started.add(first);
    const group = kind === INDUCTIVE ? this.family(c) : [c], needs = new Map();
    const need = n => { const key = abi.nameKey(n); if (!needs.has(key)) needs.set(key, abi.inc(n)); };
    const needNamed = text => { const n = abi.parseName(text); need(n); abi.dec(n); };
    for (const member of group) for (const e of expressionsOf(member)) {
      const names = abi.W.l_Lean_Expr_getUsedConstants(abi.inc(e));
      abi.arrayItems(names).forEach(need);
      abi.dec(names);
      for (const literal of literalsOf(e)) OF_LITERALS[literal].forEach(needNamed);
    }
    if (KINDS[kind] === 'quot') ['Eq', 'Quot', 'Quot.mk', 'Quot.lift', 'Quot.ind'].forEach(needNamed);
    const own = new Set(group.map(m => abi.nameKey(nameOf(m))));
    for (const [key, n] of needs) { if (!own.has(key)) this.reach(n); abi.dec(n); }
    this.found.set(first, { group, kind, imported: imported(this.env, name) });
  }

  /** An inductive declaration: its types, constructors and recursors. */
  family(c) {
    const types = abi.listItems(info(c, constants.INDUCT.all)), all = types.map(n => find(this.env, n));
    const part = (n, text) => abi.call('l_Lean_Name_str___override', abi.inc(n), abi.string(text));
    const nested = Array.from({ length: small(info(all[0], 5)) }, (_, i) => part(types[0], `rec_${i + 1}`));
    const names = [...types.map(n => part(n, 'rec')), ...nested], recursors = names.map(n => find(this.env, n));
    names.forEach(abi.dec);
    const group = [...all, ...all.flatMap(t => constants.constructors(t).map(n => find(this.env, n))), ...recursors].filter(Boolean);
    this.held.push(...group);
    return group;
  }

  // ---- declarations ----

  base(c) { return { name: this.name(nameOf(c)), levelParams: abi.listItems(universeNames(c)).map(n => this.name(n)), type: this.expression(type(c)) }; }
  names(list) { return abi.listItems(list).map(n => this.name(n)); }

  declaration({ group, kind }) {
    const [c] = group;
    switch (KINDS[kind]) {
      case 'axiom': return { axiom: { ...this.base(c), isUnsafe: flag(c, 0) } };
      case 'def': return { def: { ...this.base(c), value: this.expression(info(c, 1)), hints: hints(info(c, 2)), safety: SAFETY[abi.scalar(abi.field(c, 0), 0)], all: this.names(info(c, 3)) } };
      case 'theorem': return { thm: { ...this.base(c), value: this.expression(info(c, 1)), all: this.names(info(c, 2)) } };
      case 'opaque': return { opaque: { ...this.base(c), value: this.expression(info(c, 1)), isUnsafe: flag(c, 0), all: this.names(info(c, 2)) } };
      case 'quot': return { quot: { ...this.base(c), kind: QUOT_KINDS[abi.scalar(abi.field(c, 0), 0)] } };
      default: return { inductive: this.inductive(group) };
    }
  }

  inductive(group) {
    const of = kind => group.filter(c => kindOf(c) === kind);
    const types = of(INDUCTIVE).map(c => ({ ...this.base(c), numParams: small(info(c, 1)), numIndices: small(info(c, 2)), all: this.names(info(c, 3)),
      ctors: this.names(info(c, 4)), numNested: small(info(c, 5)), isRec: flag(c, 0), isUnsafe: flag(c, 1), isReflexive: flag(c, 2) }));
    const ctors = of(CONSTRUCTOR).map(c => ({ ...this.base(c), induct: this.name(info(c, 1)), cidx: small(info(c, 2)), numParams: small(info(c, 3)),
      numFields: small(info(c, 4)), isUnsafe: flag(c, 0) }));
    const rule = r => ({ ctor: this.name(abi.field(r, 0)), nfields: small(abi.field(r, 1)), rhs: this.expression(abi.field(r, 2)) });
    const recs = of(RECURSOR).map(c => ({ ...this.base(c), all: this.names(info(c, 1)), numParams: small(info(c, 2)), numIndices: small(info(c, 3)),
      numMotives: small(info(c, 4)), numMinors: small(info(c, 5)), rules: abi.listItems(info(c, 6)).map(rule), k: flag(c, 0), isUnsafe: flag(c, 1) }));
    return { types, ctors, recs };
  }
}

/** ReducibilityHints: opaque, abbreviation, or regular with a height. */
const hints = h => abi.isScalar(h) ? ['opaque', 'abbrev'][abi.unbox(h)] : { regular: abi.scalar(h, 0) | abi.scalar(h, 1) << 8 | abi.scalar(h, 2) << 16 };

/** All expressions (borrowed) of a constant. */
function expressionsOf(c) {
  const value = constants.value(c), rules = kindOf(c) === RECURSOR ? abi.listItems(info(c, 6)).map(r => abi.field(r, 2)) : [];
  return [type(c), ...(value === null ? [] : [value]), ...rules];
}

/** Which kinds of literals occur in an expression (borrowed). */
function literalsOf(expression) {
  const seen = new Set(), kinds = new Set(), todo = [expression];
  while (todo.length) {
    const e = todo.pop(), tag = abi.tag(e);
    if (seen.has(e)) continue;
    seen.add(e);
    if (tag === LITERAL) kinds.add(abi.tag(abi.field(e, 0)) === 0 ? 'natVal' : 'strVal');
    else todo.push(...(CHILDREN[tag] ?? []).map(i => abi.field(e, i)));
  }
  return kinds;
}

/**
 * Export constants by their names (texts) from an environment (borrowed), with all that they rest on, up to what the environment
 * `before` (borrowed; 0: none) has: { ndjson (text), given (how many declarations come first that are the library's own),
 * declarations (how many there are) }. `meta`: the first line's content.
 */
module.exports = function exported(env, names, meta, before = 0) {
  const out = new Export(env, before);
  for (const text of names) { const n = abi.parseName(text); out.reach(n); abi.dec(n); }
  const declarations = [...out.found.values()], given = declarations.filter(d => d.imported);
  for (const d of [...given, ...declarations.filter(d => !d.imported)]) {
    const line = JSON.stringify(out.declaration(d));      // behind the lines that this adds
    out.lines.push(line);
  }
  out.held.forEach(abi.dec);
  return { ndjson: [JSON.stringify({ meta }), ...out.lines].join('\n') + '\n', given: given.length, declarations: declarations.length };
};
