'use strict';
/**
 * Checks of declarations: what must hold of each before it is added to the environment. read.cjs makes the declarations.
 */

const arithmetic = require('./arithmetic.cjs');
const equal = require('./equal.cjs');
const infer = require('./infer.cjs');
const inductive = require('./inductive.cjs');
const levels = require('./levels.cjs');
const terms = require('./terms.cjs');
const { demandOwn } = require('./axioms.cjs');
const { Session } = require('./environment.cjs');
const { addQuotient } = require('./quotients.cjs');
const { eachSubterm } = require('./substitute.cjs');
const { demand } = require('./verdicts.cjs');

/** Level parameters are distinct. */
function demandDistinct({ name, levelParams }) {
  demand(new Set(levelParams).size === levelParams.length, 'declaration.levels', () => `${name} has a level parameter twice`);
}

/** The term has no loose bound variables, and no level parameters but these. */
function demandClosed(term, { name, levelParams }) {
  demand(term.loose === 0, 'declaration.variables', () => `${name} has a loose bound variable`);
  const declared = new Set(levelParams);
  const visit = parameter => demand(declared.has(parameter), 'declaration.levels', () => `${name} does not declare the level ${parameter}`);
  eachSubterm(term, t => {
    if (t.kind === terms.SORT) levels.eachParameter(t.a, visit);
    else if (t.kind === terms.CONST) t.b.items.forEach(level => levels.eachParameter(level, visit));
    return !t.hasParam;
  });
}

/** The name is new, the level parameters are distinct, and the type is a type: the type's level. */
function checkHeader(session, declaration) {
  session.environment.demandNew(declaration.name);
  demandDistinct(declaration);
  demandClosed(declaration.type, declaration);
  return infer.sortOf(session, declaration.type, true);
}

/** The value has the type. */
function checkValue(session, declaration) {
  demandClosed(declaration.value, declaration);
  const actual = infer.checked(session, declaration.value);
  demand(equal.areEqual(session, actual, declaration.type), 'declaration.value',
    () => `the value of ${declaration.name} has type ${terms.show(actual)}, not ${terms.show(declaration.type)}`);
}

/** Checks an axiom, definition, opaque constant or theorem. */
function check(environment, declaration) {
  const session = new Session(environment);
  demand(!declaration.unsafe, 'declaration.safety', () => `${declaration.name} is unsafe or partial`);
  const level = checkHeader(session, declaration);
  if (declaration.kind === 'thm') demand(levels.isZero(level), 'declaration.theorem', () => `${declaration.name} is not a proposition`);
  if (declaration.kind === 'axiom') demandOwn(environment, declaration);
  else checkValue(session, declaration);
}

/** Adds one declaration of the file; a given one is believed. */
function declare(environment, declaration, given) {
  if (declaration.kind === 'quot') addQuotient(environment, declaration);
  else if (declaration.kind === 'inductive') (given ? inductive.believe : inductive.check)(environment, declaration);
  else {
    if (!given) check(environment, declaration);
    environment.add(declaration);
  }
  arithmetic.consider(environment, declaration, given);
}

Object.assign(exports, { declare, checkHeader, demandClosed });
