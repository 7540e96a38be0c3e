'use strict';
/**
 * Checks of inductive declarations: types, constructors and recursors. Whatever follows from types and constructors is computed
 * and compared with what the file says; nothing may be missing, and nothing extra.
 */

const declarations = require('./declarations.cjs');
const equal = require('./equal.cjs');
const infer = require('./infer.cjs');
const terms = require('./terms.cjs');
const { Session, majorOf } = require('./environment.cjs');
const { form } = require('./formation.cjs');
const { Translation } = require('./nested.cjs');
const { recursors } = require('./recursors.cjs');
const { demand } = require('./verdicts.cjs');

const same = (xs, ys) => xs.length === ys.length && xs.every((x, i) => x === ys[i]);

/** Adds all constants of a declaration as they are in the file. */
const believe = (environment, { types, ctors, recs }) => [...types, ...ctors, ...recs].forEach(c => environment.add(c));

/** The block { levelParams, numParams, types } that a declaration speaks of, its types in the order of `all`. */
function account({ types, ctors }) {
  const { all, levelParams, numParams } = types[0];
  const byName = new Map(types.map(t => [t.name, t]));
  demand(all.length === types.length && byName.size === types.length && all.every(name => byName.has(name)),
    'inductive.account', 'the types are not those in `all`');
  const ordered = all.map(name => byName.get(name));
  for (const t of types) {
    demand(same(t.all, all) && same(t.levelParams, levelParams) && t.numParams === numParams,
      'inductive.account', () => `${t.name} differs from ${types[0].name}`);
  }
  const ctorsByName = new Map(ctors.map(c => [c.name, c]));
  const named = ordered.flatMap(t => t.ctors);
  demand([ctorsByName.size, named.length, new Set(named).size].every(n => n === ctors.length) && named.every(name => ctorsByName.has(name)),
    'inductive.account', 'the constructors are not those of the types');
  for (const t of ordered) {
    t.ctors.map(name => ctorsByName.get(name)).forEach((c, i) => demand(c.induct === t.name && c.cidx === i && c.numParams === numParams &&
      same(c.levelParams, levelParams), 'inductive.account', () => `${c.name} is not constructor ${i} of ${t.name}`));
  }
  [...types, ...ctors].forEach(c => demand(!c.unsafe, 'declaration.safety', () => `${c.name} is unsafe`));
  return { levelParams, numParams, types: ordered.map(t => ({ name: t.name, type: t.type, ctors: t.ctors.map(name => ctorsByName.get(name)) })) };
}

/** A type that is being declared: nothing is known of its constructors yet. */
const provisional = ({ name, type }, { levelParams, numParams, types }) => ({ kind: 'inductive', name, levelParams, type, unsafe: false,
  numParams, numIndices: 0, all: types.map(t => t.name), ctors: [], isRec: true });

/** Checks and adds an inductive declaration. */
function check(environment, declaration) {
  const written = account(declaration);
  declareTypes(environment, written, written.types);
  const session = new Session(environment);
  for (const ctor of written.types.flatMap(t => t.ctors)) declarations.checkHeader(session, ctor);
  const translation = new Translation(environment, written), { block, auxiliaries } = translation;
  declareTypes(environment, block, block.types.slice(written.types.length));
  const formed = form(new Session(environment), block);
  block.types.forEach(t => environment.remove(t.name));
  compareTypes(declaration, formed, auxiliaries.length);
  checkRecursors(environment, declaration, { written, translation, formed });
}

/** Checks the types' own types, and puts them into the environment, provisionally. */
function declareTypes(environment, block, types) {
  const session = new Session(environment);
  for (const t of types) declarations.checkHeader(session, { name: t.name, levelParams: block.levelParams, type: t.type });
  types.forEach(t => environment.add(provisional(t, block)));
}

/** What the file says about types and constructors is what was found. */
function compareTypes({ types, ctors }, formed, numNested) {
  const claim = (constant, found) => Object.entries(found).forEach(([what, value]) => demand(constant[what] === value, 'inductive.claim',
    () => `${constant.name}: ${what} is ${value}, not ${constant[what]}`));
  const { isRec, isReflexive } = formed;
  for (const t of types) claim(t, { numIndices: formed.types.find(f => f.name === t.name).indices.length, isRec, isReflexive, numNested });
  const fields = new Map(formed.types.flatMap(t => t.ctors).map(c => [c.name, c.fields.length]));
  for (const c of ctors) claim(c, { numFields: fields.get(c.name) });
}

/** Computes the recursors, compares them with the file's, and adds everything to the environment. */
function checkRecursors(environment, { types, ctors, recs }, { written, translation, formed }) {
  const { levelParams, numParams } = written, all = written.types.map(t => t.name);
  const names = formed.types.map((t, i) => (i < all.length ? t.name.child('rec') : all[0].child(`rec_${i - all.length + 1}`)));
  const byName = new Map(recs.map(r => [r.name, r]));
  demand(recs.length === names.length && names.every(name => byName.has(name)), 'inductive.account', 'the recursors are not those of the types');
  const motive = formed.large ? byName.get(names[0]).levelParams[0] ?? null : null;
  demand(!formed.large || (motive !== null && !levelParams.includes(motive)), 'inductive.recursor', () => `${names[0]} has other level parameters`);
  const recParams = formed.large ? [motive, ...levelParams] : levelParams;
  const computed = recursors(formed, levelParams, names, motive);
  [...types, ...ctors].forEach(c => environment.add(c));
  const numMinors = formed.types.flatMap(t => t.ctors).length;
  const rulesOf = ({ rules }) => rules.map(({ ctor, nfields, rhs }) =>
    ({ ctor: translation.originalName(ctor), nfields, rhs: translation.restore(rhs) }));
  const expected = names.map((name, i) => ({ kind: 'rec', name, levelParams: recParams, type: translation.restore(computed[i].type), all, numParams,
    numIndices: formed.types[i].indices.length, numMotives: names.length, numMinors, rules: rulesOf(computed[i]), k: formed.k, unsafe: false }));
  expected.forEach(e => compareRecursor(environment, byName.get(e.name), e));
  expected.forEach(e => environment.add({ ...e, rules: [] }));
  expected.forEach(e => compareRules(environment, byName.get(e.name), e));
  expected.forEach(e => environment.remove(e.name));
  recs.forEach(r => environment.add(r));
}

/** A recursor of the file is, up to its rules, the expected one. */
function compareRecursor(environment, rec, expected) {
  for (const what of ['numParams', 'numIndices', 'numMotives', 'numMinors', 'k', 'unsafe']) {
    demand(rec[what] === expected[what], 'inductive.recursor', () => `${rec.name}: ${what} is ${expected[what]}, not ${rec[what]}`);
  }
  demand(same(rec.levelParams, expected.levelParams), 'inductive.recursor', () => `${rec.name} has other level parameters`);
  demand(same(rec.all, expected.all), 'inductive.recursor', () => `${rec.name} has other types beside it`);
  demandSame(new Session(environment), rec, rec.type, expected.type, 'type');
  demand(majorOf(rec) === majorOf(expected), 'inductive.recursor', () => `${rec.name} has another major premise`);
}

/** The computation rules of the file are the expected ones, in the same order; no recursor of the block computes here. */
function compareRules(environment, rec, { rules }) {
  demand(rec.rules.length === rules.length, 'inductive.rule', () => `${rec.name} has ${rec.rules.length} rules, not ${rules.length}`);
  const session = new Session(environment);
  rec.rules.forEach((rule, i) => {
    const { ctor, nfields, rhs } = rules[i];
    demand(rule.ctor === ctor && rule.nfields === nfields, 'inductive.rule', () => `rule ${i} of ${rec.name} is for ${ctor} with ${nfields} fields`);
    demandSame(session, rec, rule.rhs, rhs, `rule for ${ctor}`);
  });
}

/** A term of the file has a type and is the computed one. */
function demandSame(session, rec, term, computed, what) {
  declarations.demandClosed(term, rec);
  const type = infer.checked(session, term);
  const isSame = term === computed || (equal.areEqual(session, type, infer.checked(session, computed)) && equal.areEqual(session, term, computed));
  demand(isSame, 'inductive.recursor', () => `${rec.name}: the ${what} is ${terms.show(term)}, not ${terms.show(computed)}`);
}

Object.assign(exports, { believe, check });
