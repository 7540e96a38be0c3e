'use strict';
/**
 * Weak head normal form (whnf): reduction of the head of a term by beta, zeta (let), delta (unfolding of definitions),
 * projections of constructors, iota (recursors on constructors), quotients, and numbers.
 */

const arithmetic = require('./arithmetic.cjs');
const equal = require('./equal.cjs');
const infer = require('./infer.cjs');
const literals = require('./literals.cjs');
const terms = require('./terms.cjs');
const { isStructure, majorOf } = require('./environment.cjs');
const { instantiate } = require('./substitute.cjs');
const { step } = require('./verdicts.cjs');
const { SORT, CONST, APP, LAM, PI, LET, PROJ, NAT, STR } = terms;

/** The head of a term reduced by all rules but delta. With `cheap`, the structure of a projection is not unfolded either. */
function whnfCore(session, term, cheap = false) {
  if (term.kind !== APP && term.kind !== LET && term.kind !== PROJ) return term;
  let result = session.cores.get(term);
  if (result !== undefined) return result;
  result = term;
  for (let next = reduceOnce(session, term, cheap); next !== null; next = reduceOnce(session, next, cheap)) {
    result = session.cores.get(next) ?? next;
    if (result !== next) break;
  }
  if (!cheap) session.cores.set(term, result);
  return result;
}

/** One reduction of the head without delta, or null. */
function reduceOnce(session, term, cheap) {
  step();
  if (term.kind === LET) return instantiate(term.c, [term.b]);
  if (term.kind === PROJ) return reduceProjection(session, term, cheap);
  if (term.kind !== APP) return null;
  const f = terms.head(term), xs = terms.args(term);
  if (f.kind === LAM) return beta(f, xs);
  if (f.kind === CONST) return reduceRecursor(session, f, xs) ?? reduceQuotient(session, f, xs);
  const next = reduceOnce(session, f, cheap);
  return next === null ? null : terms.apply(next, xs);
}

/** A λ applied to arguments. */
function beta(f, xs) {
  let n = 0;
  for (; f.kind === LAM && n < xs.length; n++) f = f.b;
  return terms.apply(instantiate(f, xs.slice(0, n)), xs.slice(n));
}

/** The field of a projection whose structure is (after whnf) a constructor of the named type, or null. */
function reduceProjection(session, term, cheap) {
  let struct = cheap ? whnfCore(session, term.c, true) : whnf(session, term.c);
  if (struct.kind === STR) struct = spelled(session, struct);
  const ctor = constructorOf(session, struct);
  if (ctor === null || ctor.induct !== term.a) return null;
  return terms.args(struct)[ctor.numParams + term.b] ?? null;
}

/** A String literal as a constructor. */
const spelled = (session, literal) => whnf(session, literals.spell(session.environment, literal));

/** The constructor whose application a term is, with all parameters and fields; or null. */
function constructorOf(session, term) {
  const f = terms.head(term);
  if (f.kind !== CONST) return null;
  const ctor = session.environment.find(f.a, 'ctor');
  return ctor !== null && terms.args(term).length === ctor.numParams + ctor.numFields ? ctor : null;
}

/** Iota: a recursor whose major premise is (after whnf, K or eta for structures) a constructor. */
function reduceRecursor(session, f, xs) {
  const rec = session.environment.find(f.a, 'rec');
  if (rec === null || f.b.items.length !== rec.levelParams.length) return null;
  const firstIndex = rec.numParams + rec.numMotives + rec.numMinors, place = firstIndex + rec.numIndices;
  if (xs.length <= place) return null;
  let major = xs[place];
  if (rec.k) major = constructorByK(session, rec, major) ?? major;
  major = whnf(session, major);
  if (major.kind === NAT && literals.hasNat(session.environment)) major = literals.natToConstructor(major);
  else if (major.kind === STR) major = spelled(session, major);
  if (constructorOf(session, major) === null) major = constructorByEta(session, rec, major) ?? major;
  const ctor = constructorOf(session, major);
  const rule = ctor === null || ctor.induct !== majorOf(rec) ? undefined : rec.rules.find(r => r.ctor === ctor.name);
  if (rule === undefined) return null;
  const fields = terms.args(major).slice(ctor.numParams);
  const reduct = terms.apply(session.ruleValue(rec, rule, f.b), [...xs.slice(0, firstIndex), ...fields]);
  return terms.apply(beta(terms.head(reduct), terms.args(reduct)), xs.slice(place + 1));
}

/** K: a proof in an inductive proposition with one constructor without fields is that constructor, if the types agree. */
function constructorByK(session, rec, major) {
  const type = whnf(session, infer.assumed(session, major));
  const f = terms.head(type);
  if (!terms.isConstant(f, majorOf(rec))) return null;
  const inductive = session.environment.find(majorOf(rec), 'inductive');
  if (inductive === null || inductive.ctors.length !== 1) return null;
  const made = terms.apply(terms.constant(inductive.ctors[0], f.b), terms.args(type).slice(0, inductive.numParams));
  return equal.areEqual(session, type, infer.assumed(session, made)) ? made : null;
}

/** Eta for structures: a term of a structure type (not a proposition) is the constructor of its projections. */
function constructorByEta(session, rec, major) {
  const inductive = session.environment.find(majorOf(rec), 'inductive');
  if (inductive === null || !isStructure(inductive)) return null;
  const type = whnf(session, infer.assumed(session, major));
  const f = terms.head(type);
  if (!terms.isConstant(f, majorOf(rec)) || infer.isProposition(session, type)) return null;
  const ctor = session.environment.find(inductive.ctors[0], 'ctor');
  const fields = Array.from({ length: ctor.numFields }, (_, i) => terms.proj(majorOf(rec), i, major));
  return terms.apply(terms.constant(ctor.name, f.b), [...terms.args(type).slice(0, inductive.numParams), ...fields]);
}

/** Quot.lift and Quot.ind on Quot.mk. */
function reduceQuotient(session, f, xs) {
  const quot = session.environment.find(f.a, 'quot');
  const place = { lift: 5, ind: 4 }[quot?.quotKind];
  if (place === undefined || xs.length <= place) return null;
  const major = whnf(session, xs[place]), mk = terms.head(major), parts = terms.args(major);
  if (mk.kind !== CONST || session.environment.find(mk.a, 'quot')?.quotKind !== 'ctor' || parts.length !== 3) return null;
  return terms.apply(terms.app(xs[3], parts[2]), xs.slice(place + 1));
}

/** The definition or theorem that a term's head can be unfolded to, or null. */
function definitionOf(session, term) {
  const f = terms.head(term);
  if (f.kind !== CONST) return null;
  const found = session.environment.get(f.a);
  const unfolds = found !== undefined && (found.kind === 'def' || found.kind === 'thm') && found.levelParams.length === f.b.items.length;
  return unfolds ? found : null;
}

/** Delta: the term with the constant at its head unfolded (`definitionOf` must have found it). */
function unfold(session, term) {
  const value = session.constantValue(terms.head(term));
  return term.kind === APP ? beta(value, terms.args(term)) : value;
}

/** The weak head normal form. */
function whnf(session, term) {
  if (term.kind === SORT || term.kind === LAM || term.kind === PI || term.kind === NAT || term.kind === STR) return term;
  let result = session.normal.get(term);
  if (result !== undefined) return result;
  for (result = term; ;) {
    result = whnfCore(session, result);
    const known = session.normal.get(result) ?? arithmetic.compute(session, result);
    if (known !== null) { result = known; break; }
    if (definitionOf(session, result) === null) break;
    result = unfold(session, result);
  }
  session.normal.set(term, result);
  return result;
}

Object.assign(exports, { whnf, whnfCore, constructorOf, definitionOf, unfold, spelled });
