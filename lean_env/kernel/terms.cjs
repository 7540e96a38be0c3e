'use strict';
/**
 * Terms, the expressions of the kernel. Every term exists once (hash-consing), so that terms that are equal up to names of bound variables are identical.
 * A bound variable counts the binders between it and its own; a free variable is its type and a depth, which is greater than
 * that of every free variable in its type. Binder names, binder kinds and annotations are not kept: they mean nothing.
 *
 *   kind   a               b                c
 *   BVAR   index
 *   FVAR   type            depth
 *   SORT   level
 *   CONST  name            list of levels
 *   APP    function        argument
 *   LAM    binder type     body
 *   PI     binder type     body
 *   LET    type            value            body
 *   PROJ   structure name  field number     structure
 *   NAT    BigInt
 *   STR    string
 */

const levels = require('./levels.cjs');
const { step } = require('./verdicts.cjs');

const [BVAR, FVAR, SORT, CONST, APP, LAM, PI, LET, PROJ, NAT, STR] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const LARGEST_SHOWN = 10n ** 40n;   // number that is shown in messages

/** A term: see above; `loose` binders (at least) are missing around it, `depth` is the greatest of its free variables, or 0. */
class Term {
  constructor(kind, a, b, c, hash, id, loose, depth, hasParam) {
    this.kind = kind;
    this.a = a;
    this.b = b;
    this.c = c;
    this.hash = hash;
    this.id = id;
    this.loose = loose;
    this.depth = depth;
    this.hasParam = hasParam;
    this.next = null;               // in the same bucket of the table
  }
}

/** A hash table of terms, with chains through `next`. */
class Table {
  constructor() {
    this.buckets = new Array(8192).fill(null);
    this.size = 0;
  }

  find(hash, kind, a, b, c) {
    for (let t = this.buckets[hash & (this.buckets.length - 1)]; t !== null; t = t.next) {
      if (t.hash === hash && t.kind === kind && t.a === a && t.b === b && t.c === c) return t;
    }
    return null;
  }

  add(term) {
    if (++this.size > this.buckets.length) this.grow();
    const place = term.hash & (this.buckets.length - 1);
    term.next = this.buckets[place];
    this.buckets[place] = term;
  }

  all() {
    const found = [];
    for (let t of this.buckets) for (; t !== null; t = t.next) found.push(t);
    return found;
  }

  grow() {
    const old = this.buckets, mask = 2 * old.length - 1;
    this.buckets = new Array(2 * old.length).fill(null);
    for (let t of old) {
      while (t !== null) {
        const next = t.next;
        t.next = this.buckets[t.hash & mask];
        this.buckets[t.hash & mask] = t;
        t = next;
      }
    }
  }
}

const MANY = 1 << 19;               // terms after which they are forgotten
let table = new Table(), kept = [], count = 0, epoch = 0;

/** From now on `forget` leaves the terms that there are now. */
function keep() { kept = table.all(); }

/** Forgets the terms that were made since `keep`: a new epoch, in which no other old ones may be used. */
function forget() {
  table = new Table();
  for (const term of kept) table.add(term);
  epoch++;
}

/** Forgets the terms if there are many. */
function tidy() { if (table.size > MANY) forget(); }

/** A number for the time since terms were last forgotten. */
const now = () => epoch;

/** The one term of this kind with these parts; `x`, `y`, `z` are numbers for the parts, of which the hash is made. */
function intern(kind, a, b, c, x, y, z, loose, depth, hasParam) {
  let hash = Math.imul(kind + 1, 0x9e3779b1) ^ Math.imul(x + 0x7f4a7c15 | 0, 0x85ebca6b);
  hash = Math.imul((hash ^ (hash >>> 15)) + y | 0, 0xc2b2ae35);
  hash = Math.imul((hash ^ (hash >>> 13)) + z | 0, 0x27d4eb2f);
  hash ^= hash >>> 16;
  let term = table.find(hash, kind, a, b, c);
  if (term !== null) return term;
  step();
  term = new Term(kind, a, b, c, hash, count++, loose, depth, hasParam);
  table.add(term);
  return term;
}

/** A number for a string, of which a hash can be made. */
function stringHash(text) {
  let hash = 7;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash, 31) + text.charCodeAt(i) | 0;
  return hash;
}

const under = loose => (loose > 0 ? loose - 1 : 0);

const bvar = index => intern(BVAR, index, null, null, index, 0, 0, index + 1, 0, false);
const fvar = (type, depth) => intern(FVAR, type, depth, null, type.id, depth, 0, 0, depth, type.hasParam);
const sort = level => intern(SORT, level, null, null, level.id, 0, 0, 0, 0, level.hasParam);
const constant = (name, list) => intern(CONST, name, list, null, name.id, list.id, 0, 0, 0, list.hasParam);
const app = (f, x) => intern(APP, f, x, null, f.id, x.id, 0, Math.max(f.loose, x.loose), Math.max(f.depth, x.depth), f.hasParam || x.hasParam);
const binder = (kind, type, body) => intern(kind, type, body, null, type.id, body.id, 0,
  Math.max(type.loose, under(body.loose)), Math.max(type.depth, body.depth), type.hasParam || body.hasParam);
const lam = (type, body) => binder(LAM, type, body);
const pi = (type, body) => binder(PI, type, body);
const letIn = (type, value, body) => intern(LET, type, value, body, type.id, value.id, body.id, Math.max(type.loose, value.loose, under(body.loose)),
  Math.max(type.depth, value.depth, body.depth), type.hasParam || value.hasParam || body.hasParam);
const proj = (name, index, struct) => intern(PROJ, name, index, struct, name.id, index, struct.id, struct.loose, struct.depth, struct.hasParam);
const nat = value => intern(NAT, value, null, null, Number(BigInt.asIntN(31, value)), 0, 0, 0, 0, false);
const str = value => intern(STR, value, null, null, stringHash(value), 0, 0, 0, 0, false);

/** The function of an application after all its arguments are taken off. */
function head(term) {
  while (term.kind === APP) term = term.a;
  return term;
}

/** The arguments of an application, first to last. */
function args(term) {
  const result = [];
  for (; term.kind === APP; term = term.a) result.push(term.b);
  return result.reverse();
}

const apply = (f, xs) => xs.reduce(app, f);

/** A constant that takes levels from a list in an array. */
const constantOf = (name, ...items) => constant(name, levels.list(items));
/** Is the term this constant, whatever its levels are? */
const isConstant = (term, name) => term.kind === CONST && term.a === name;
/** A type that does not depend on its argument. */
const arrow = (...types) => types.reduceRight((to, from) => pi(from, to));

/** The term as a text, of which parts are left out if there are too many, or too deep. */
function show(term) {
  let parts = 150;
  const go = (t, deep) => {
    if (--parts < 0 || deep > 12) return '…';
    const on = part => go(part, deep + 1);
    switch (t.kind) {
      case BVAR: return `#${t.a}`;
      case FVAR: return `x${t.b}`;
      case SORT: return `Sort ${levels.show(t.a)}`;
      case CONST: return String(t.a);
      case APP: return `(${[head(t), ...args(t).slice(0, 12)].map(on).join(' ')})`;
      case LAM: return `(λ ${on(t.a)}, ${on(t.b)})`;
      case PI: return `(∀ ${on(t.a)}, ${on(t.b)})`;
      case LET: return `(let ${on(t.a)} := ${on(t.b)}; ${on(t.c)})`;
      case PROJ: return `${on(t.c)}.${t.a}#${t.b}`;
      default: return JSON.stringify(t.kind === NAT && t.a > LARGEST_SHOWN ? '…' : String(t.a).slice(0, 40));
    }
  };
  return go(term, 0);
}

module.exports = { BVAR, FVAR, SORT, CONST, APP, LAM, PI, LET, PROJ, NAT, STR, keep, forget, tidy, now, bvar, fvar, sort, constant, app, binder, lam, pi, letIn,
  proj, nat, str, head, args, apply, constantOf, isConstant, arrow, show };
