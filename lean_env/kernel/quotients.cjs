'use strict';
/**
 * Checks of the quotient: its four constants Quot, Quot.mk, Quot.lift and Quot.ind must have exactly the types below. Quot.lift
 * mentions equality, so Eq must be declared as in Lean.
 */

const levels = require('./levels.cjs');
const terms = require('./terms.cjs');
const { named } = require('./names.cjs');
const { demand } = require('./verdicts.cjs');

const [EQ, REFL, QUOT, MK, LIFT, IND] = ['Eq', 'Eq.refl', 'Quot', 'Quot.mk', 'Quot.lift', 'Quot.ind'].map(named);
const { pi, app, apply, bvar } = terms;
const PROP = terms.sort(levels.zero);
const x = Array.from({ length: 8 }, (_, i) => bvar(i));

/** The type of relations on the type that the innermost variable stands for. */
const RELATION = pi(x[0], pi(x[1], PROP));

/** By name: kind, number of level parameters, and the type for these. */
const CONSTANTS = new Map([
  [QUOT, { kind: 'type', params: 1, type: u => pi(terms.sort(u), pi(RELATION, terms.sort(u))) }],
  [MK, { kind: 'ctor', params: 1, type: u => pi(terms.sort(u), pi(RELATION, pi(x[1], quot(u, x[2], x[1])))) }],
  [LIFT, { kind: 'lift', params: 2, type: (u, v) => pi(terms.sort(u), pi(RELATION, pi(terms.sort(v), pi(pi(x[2], x[1]),
    pi(pi(x[3], pi(x[4], pi(apply(x[4], [x[1], x[0]]), eq(v, x[4], app(x[3], x[2]), app(x[3], x[1]))))), pi(quot(u, x[4], x[3]), x[3])))))) }],
  [IND, { kind: 'ind', params: 1, type: u => pi(terms.sort(u), pi(RELATION, pi(pi(quot(u, x[1], x[0]), PROP),
    pi(pi(x[2], app(x[1], apply(terms.constantOf(MK, u), [x[3], x[2], x[0]]))), pi(quot(u, x[3], x[2]), app(x[2], x[0])))))) }],
]);

function quot(u, type, relation) { return apply(terms.constantOf(QUOT, u), [type, relation]); }
function eq(u, type, left, right) { return apply(terms.constantOf(EQ, u), [type, left, right]); }

/** Eq.{u} : ∀ α : Sort u, α → α → Prop, with the one constructor refl : ∀ α a, a = a. */
function demandEquality(environment) {
  const found = environment.find(EQ, 'inductive'), refl = environment.find(REFL, 'ctor');
  demand(found !== null && refl !== null && found.levelParams.length === 1, 'quotient.equality', 'Eq is not declared');
  const u = levels.param(found.levelParams[0]);
  demand(found.type === pi(terms.sort(u), RELATION) && found.numParams === 2 && found.ctors.length === 1 && found.ctors[0] === REFL &&
    refl.levelParams[0] === found.levelParams[0] && refl.type === pi(terms.sort(u), pi(x[0], eq(u, x[1], x[0], x[0]))),
  'quotient.equality', 'Eq is not declared as it should be');
}

/** Adds one of the four constants. */
function addQuotient(environment, declaration) {
  const { name, levelParams, type, quotKind } = declaration;
  const expected = CONSTANTS.get(name);
  demand(expected !== undefined && expected.kind === quotKind, 'quotient.name', () => `${name} is no ${quotKind} of a quotient`);
  demand(levelParams.length === expected.params && new Set(levelParams).size === expected.params,
    'quotient.type', () => `${name} has other level parameters`);
  demand(type === expected.type(...levelParams.map(levels.param)), 'quotient.type', () => `${name} has another type`);
  if (name === LIFT) demandEquality(environment);
  environment.add(declaration);
}

/** The kinds of quotient constants that there are in files. */
const KINDS = [...CONSTANTS.values()].map(c => c.kind);
/** Names that only these constants may have, so that they may come in any order. */
const isReserved = name => CONSTANTS.has(name);

module.exports = { addQuotient, demandEquality, isReserved, KINDS, EQ, QUOT, MK };
