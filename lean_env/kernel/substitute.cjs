'use strict';
/**
 * Substitution: terms for bound variables (instantiate), bound variables for free ones (abstract), levels for level
 * parameters, and telescopes of binders made of these.
 */

const levels = require('./levels.cjs');
const terms = require('./terms.cjs');
const { BVAR, FVAR, SORT, CONST, APP, LAM, PI, LET, PROJ } = terms;

/** The term with `go(child, binders)` for each child; `binders` is the number of binders above the child. */
function mapChildren(term, binders, go) {
  switch (term.kind) {
    case APP: return terms.app(go(term.a, binders), go(term.b, binders));
    case LAM: case PI: return terms.binder(term.kind, go(term.a, binders), go(term.b, binders + 1));
    case LET: return terms.letIn(go(term.a, binders), go(term.b, binders), go(term.c, binders + 1));
    case PROJ: return terms.proj(term.a, term.b, go(term.c, binders));
    default: return term;
  }
}

/** Calls `visit` once on every subterm (not on the types of free variables); where it returns true, the subterm's own are left out. */
function eachSubterm(term, visit) {
  const seen = new Set();
  const go = t => {
    if (seen.has(t)) return;
    seen.add(t);
    if (visit(t) === true) return;
    if (t.kind === APP || t.kind === LAM || t.kind === PI || t.kind === LET) { go(t.a); go(t.b); }
    if (t.kind === LET || t.kind === PROJ) go(t.c);
  };
  go(term);
}

/** The term under `by` more binders: its loose bound variables are that much higher. */
function lift(term, by) {
  if (term.loose === 0 || by === 0) return term;
  const go = (t, binders) => {
    if (t.loose <= binders) return t;
    return t.kind === BVAR ? terms.bvar(t.a + by) : mapChildren(t, binders, go);
  };
  return go(term, 0);
}

/** Puts terms for the loose bound variables of `term`; the last value goes to the innermost variable. */
function instantiate(term, values) {
  const n = values.length;
  if (n === 0 || term.loose === 0) return term;
  const memo = [];
  const go = (t, binders) => {
    if (t.loose <= binders) return t;
    if (t.kind === BVAR) return t.a < binders + n ? lift(values[n - 1 - (t.a - binders)], binders) : terms.bvar(t.a - n);
    const known = memo[binders] ??= new Map();
    let result = known.get(t);
    if (result === undefined) known.set(t, result = mapChildren(t, binders, go));
    return result;
  };
  return go(term, 0);
}

/** Makes bound variables of free ones; the last of `variables` becomes the innermost. */
function abstract(term, variables) {
  if (variables.length === 0 || term.depth === 0) return term;
  const place = new Map(variables.map((v, i) => [v, variables.length - 1 - i]));
  const least = Math.min(...variables.map(v => v.b));
  const memo = [];
  const go = (t, binders) => {
    if (t.depth < least) return t;
    if (t.kind === FVAR) return place.has(t) ? terms.bvar(binders + place.get(t)) : t;
    const known = memo[binders] ??= new Map();
    let result = known.get(t);
    if (result === undefined) known.set(t, result = mapChildren(t, binders, go));
    return result;
  };
  return go(term, 0);
}

/** The term under binders (λ or ∀) for these free variables. */
function bind(kind, variables, body) {
  let result = abstract(body, variables);
  for (let i = variables.length - 1; i >= 0; i--) {
    const type = variables[i].a;
    result = terms.binder(kind, type.depth === 0 ? type : abstract(type, variables.slice(0, i)), result);
  }
  return result;
}

const bindPi = (variables, body) => bind(PI, variables, body);
const bindLam = (variables, body) => bind(LAM, variables, body);

/** Makes free variables, each with a greater depth than all before it. */
class Scope {
  constructor() { this.depth = 0; }

  variable(type) { return terms.fvar(type, ++this.depth); }
}

/** Puts levels for the level parameters `names`. */
function instantiateLevels(term, names, list) {
  if (!term.hasParam || names.length === 0) return term;
  const values = new Map(names.map((name, i) => [name, list.items[i]]));
  const memo = new Map();
  const go = t => {
    if (!t.hasParam) return t;
    let result = memo.get(t);
    if (result !== undefined) return result;
    if (t.kind === SORT) result = terms.sort(levels.substitute(t.a, values));
    else if (t.kind === CONST) result = terms.constant(t.a, levels.list(t.b.items.map(l => levels.substitute(l, values))));
    else result = mapChildren(t, 0, go);
    memo.set(t, result);
    return result;
  };
  return go(term);
}

/** Does a constant with one of these names (a set) occur in the term? */
function mentions(term, names) {
  let found = false;
  eachSubterm(term, t => { if (t.kind === CONST && names.has(t.a)) found = true; return found; });
  return found;
}

module.exports = { mapChildren, eachSubterm, instantiate, abstract, bindPi, bindLam, Scope, instantiateLevels, mentions };
