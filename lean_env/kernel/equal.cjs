'use strict';
/**
 * Definitional equality (defeq) of terms that have types: conversion by all the reductions of reduce.cjs, proof irrelevance,
 * eta for functions and for structures. Definitions are unfolded as late as possible (lazy delta reduction).
 */

const arithmetic = require('./arithmetic.cjs');
const infer = require('./infer.cjs');
const levels = require('./levels.cjs');
const literals = require('./literals.cjs');
const reduce = require('./reduce.cjs');
const terms = require('./terms.cjs');
const { isStructure } = require('./environment.cjs');
const { instantiate } = require('./substitute.cjs');
const { step } = require('./verdicts.cjs');
const { SORT, CONST, APP, LAM, PI, PROJ, NAT, STR } = terms;

/** Are two terms definitionally equal? */
function areEqual(session, a, b) {
  const quick = quickly(session, a, b) ?? session.remembered(a, b);
  if (quick !== null) return quick;
  step();
  const result = compare(session, a, b);
  session.remember(a, b, result);
  return result;
}

/** What is seen at once: identity, sorts, literals, and binders, which are compared part by part; null if nothing is. */
function quickly(session, a, b) {
  if (a === b) return true;
  if (a.kind !== b.kind) return null;
  switch (a.kind) {
    case SORT: return levels.equal(a.a, b.a);
    case NAT: case STR: return false;
    case LAM: case PI: return areBindersEqual(session, a, b);
    default: return null;
  }
}

/** Two λ or two ∀: the domains are equal, and the bodies for one fresh variable. */
function areBindersEqual(session, a, b) {
  const kind = a.kind, variables = [];
  let depth = Math.max(a.depth, b.depth);
  for (; a !== b && a.kind === kind && b.kind === kind; a = a.b, b = b.b) {
    const left = instantiate(a.a, variables), right = instantiate(b.a, variables);
    if (!areEqual(session, left, right)) return false;
    depth = Math.max(depth, left.depth) + 1;
    variables.push(terms.fvar(left, depth));
  }
  return areEqual(session, instantiate(a, variables), instantiate(b, variables));
}

/** The rules in turn. */
function compare(session, a, b) {
  if (b === literals.TRUE && a.depth === 0 && reduce.whnf(session, a) === literals.TRUE) return true;
  let t = reduce.whnfCore(session, a, true), u = reduce.whnfCore(session, b, true);
  let verdict = t === a && u === b ? null : quickly(session, t, u);
  if (verdict === null) verdict = areProofs(session, t, u);
  if (verdict !== null) return verdict;
  [verdict, t, u] = lazyDelta(session, t, u);
  if (verdict !== null) return verdict;
  if (t.kind === CONST && u.kind === CONST && t.a === u.a && levels.equalLists(t.b, u.b)) return true;
  if (t.kind === PROJ && u.kind === PROJ && t.a === u.a && t.b === u.b && areEqual(session, t.c, u.c)) return true;
  const [t1, u1] = [reduce.whnfCore(session, t), reduce.whnfCore(session, u)];
  if (t1 !== t || u1 !== u) return areEqual(session, t1, u1);
  return areApplicationsEqual(session, t, u) || isEta(session, t, u) || isEta(session, u, t) || isStructureEta(session, t, u) ||
    isStructureEta(session, u, t) || areSpelledEqual(session, t, u) || areUnits(session, t, u);
}

/** Proof irrelevance: two proofs are equal if they prove equal propositions. null if the first term is no proof. */
function areProofs(session, t, u) {
  const type = infer.assumed(session, t);
  if (!infer.isProposition(session, type)) return null;
  return areEqual(session, type, infer.assumed(session, u));
}

/** Two numbers that are zero, or successors of equal numbers; null if they are not both of this form. */
function areNumbersEqual(session, t, u) {
  if (t.kind !== NAT && u.kind !== NAT && t.kind !== APP) return null;
  if (!literals.hasNat(session.environment)) return null;
  if (literals.numberOf(t) === 0n && literals.numberOf(u) === 0n) return true;
  const before = literals.predecessor(t), other = before === null ? null : literals.predecessor(u);
  return other === null ? null : areEqual(session, before, other);
}

/**
 * Unfolds definitions on both sides, the higher one first, until the terms are seen to be equal or not, or nothing is left to
 * unfold: [true or false or null, left term, right term]. Two applications of the same function are compared by arguments first.
 */
function lazyDelta(session, t, u) {
  const unfold = term => reduce.whnfCore(session, reduce.unfold(session, term), true);
  for (;;) {
    step();
    const numbers = areNumbersEqual(session, t, u);
    if (numbers !== null) return [numbers, t, u];
    if (t.depth === 0 && u.depth === 0) {
      const left = arithmetic.compute(session, t), right = left === null ? arithmetic.compute(session, u) : null;
      if (left !== null || right !== null) return [areEqual(session, left ?? t, right ?? u), t, u];
    }
    const dt = reduce.definitionOf(session, t), du = reduce.definitionOf(session, u);
    if (dt === null && du === null) return [null, t, u];
    if (dt === null || du === null) {
      const stuck = dt === null ? t : u;
      const moved = terms.head(stuck).kind === PROJ ? reduce.whnfCore(session, stuck) : stuck;
      if (dt === null) [t, u] = moved === stuck ? [t, unfold(u)] : [moved, u];
      else [t, u] = moved === stuck ? [unfold(t), u] : [t, moved];
    } else if (dt.height !== du.height) {
      if (dt.height > du.height) t = unfold(t);
      else u = unfold(u);
    } else {
      if (dt === du && Number.isFinite(dt.height) && dt.height >= 0 && t.kind === APP && u.kind === APP && !session.differ(t, u)) {
        if (areApplicationsEqual(session, t, u)) return [true, t, u];
        session.rememberDiffering(t, u);
      }
      [t, u] = [unfold(t), unfold(u)];
    }
    const verdict = quickly(session, t, u);
    if (verdict !== null) return [verdict, t, u];
  }
}

/** Two applications: equal functions on equal arguments. */
function areApplicationsEqual(session, t, u) {
  if (t.kind !== APP || u.kind !== APP) return false;
  const f = terms.head(t), g = terms.head(u), xs = terms.args(t), ys = terms.args(u);
  if (xs.length !== ys.length) return false;
  const heads = f.kind === CONST && g.kind === CONST ? f.a === g.a && levels.equalLists(f.b, g.b) : areEqual(session, f, g);
  return heads && xs.every((x, i) => areEqual(session, x, ys[i]));
}

/** Eta: f is λ x, f x. */
function isEta(session, t, u) {
  if (t.kind !== LAM || u.kind === LAM) return false;
  const type = reduce.whnf(session, infer.assumed(session, u));
  return type.kind === PI && areEqual(session, t, terms.lam(type.a, terms.app(u, terms.bvar(0))));
}

/** Eta for structures: s is the constructor of the projections of s. */
function isStructureEta(session, t, u) {
  const ctor = reduce.constructorOf(session, u);
  if (ctor === null) return false;
  const inductive = session.environment.find(ctor.induct, 'inductive');
  if (inductive === null || !isStructure(inductive)) return false;
  if (!areEqual(session, infer.assumed(session, t), infer.assumed(session, u))) return false;
  return terms.args(u).slice(ctor.numParams).every((field, i) => areEqual(session, terms.proj(ctor.induct, i, t), field));
}

/** A String literal and a term that is built as one. */
function areSpelledEqual(session, t, u) {
  if (t.kind !== STR && u.kind !== STR) return false;
  const spell = term => (term.kind === STR ? reduce.spelled(session, term) : term);
  const [t1, u1] = [spell(t), spell(u)];
  return (t1 !== t || u1 !== u) && areEqual(session, t1, u1);
}

/** Two terms of one structure type without fields. */
function areUnits(session, t, u) {
  const type = reduce.whnf(session, infer.assumed(session, t)), f = terms.head(type);
  const inductive = f.kind === CONST ? session.environment.find(f.a, 'inductive') : null;
  if (inductive === null || !isStructure(inductive) || session.environment.find(inductive.ctors[0], 'ctor').numFields !== 0) return false;
  return areEqual(session, type, infer.assumed(session, u));
}

Object.assign(exports, { areEqual });
