'use strict';
/**
 * Literals of Nat and String, and their types. A Nat literal stands for a number of Nat.succ on Nat.zero, a String literal for String.ofList (String.mk in older
 * versions) of the list of its characters. This holds if Nat and String are declared as in Lean, which is checked here.
 * Functions on Nat are computed with numbers once it is known that they are what their names say (arithmetic.cjs).
 */

const levels = require('./levels.cjs');
const terms = require('./terms.cjs');
const { named } = require('./names.cjs');
const { demand } = require('./verdicts.cjs');

const NAMES = Object.fromEntries(['Nat', 'Nat.zero', 'Nat.succ', 'Bool', 'Bool.true', 'Bool.false', 'String', 'String.mk', 'String.ofList',
  'List', 'List.nil', 'List.cons', 'Char', 'Char.ofNat'].map(text => [text, named(text)]));
const SPELLERS = ['String.ofList', 'String.mk'].map(text => NAMES[text]);      // the second in older versions
const TYPE = terms.sort(levels.one);
const NAT = terms.constantOf(NAMES.Nat), ZERO = terms.constantOf(NAMES['Nat.zero']), SUCC = terms.constantOf(NAMES['Nat.succ']);
const BOOL = terms.constantOf(NAMES.Bool), TRUE = terms.constantOf(NAMES['Bool.true']), FALSE = terms.constantOf(NAMES['Bool.false']);
const STRING = terms.constantOf(NAMES.String), CHAR = terms.constantOf(NAMES.Char), OF_NAT = terms.constantOf(NAMES['Char.ofNat']);
const LIST_OF_CHAR = terms.app(terms.constantOf(NAMES.List, levels.zero), CHAR);
const NIL = terms.app(terms.constantOf(NAMES['List.nil'], levels.zero), CHAR);
const CONS = terms.app(terms.constantOf(NAMES['List.cons'], levels.zero), CHAR);

/** Is `name` an inductive type in Type with exactly these constructors, given as [name, type]? */
function isData(environment, name, ctors) {
  const found = environment.find(name, 'inductive');
  return found !== null && found.levelParams.length === 0 && found.type === TYPE && found.numParams === 0 && found.ctors.length === ctors.length &&
    ctors.every(([ctor, type], i) => found.ctors[i] === ctor && environment.find(ctor, 'ctor')?.type === type);
}

const hasNat = environment => isData(environment, NAMES.Nat, [[NAMES['Nat.zero'], NAT], [NAMES['Nat.succ'], terms.arrow(NAT, NAT)]]);
const hasBool = environment => isData(environment, NAMES.Bool, [[NAMES['Bool.false'], BOOL], [NAMES['Bool.true'], BOOL]]);

/** The type of a literal. */
function typeOf(environment, literal) {
  if (literal.kind === terms.NAT) {
    demand(hasNat(environment), 'infer.literal', 'Nat is not declared as it should be');
    return NAT;
  }
  speller(environment);
  return STRING;
}

/** A Nat literal as Nat.zero, or as Nat.succ of the literal before it. */
const natToConstructor = literal => (literal.a === 0n ? ZERO : terms.app(SUCC, terms.nat(literal.a - 1n)));

/** The number that a term stands for if it is a literal or Nat.zero, else null. */
function numberOf(term) {
  if (term.kind === terms.NAT) return term.a;
  return term === ZERO ? 0n : null;
}

/** The argument of Nat.succ if the term is one, also for a literal; else null. */
function predecessor(term) {
  if (term.kind === terms.NAT) return term.a === 0n ? null : terms.nat(term.a - 1n);
  return term.kind === terms.APP && term.a === SUCC ? term.b : null;
}

/**
 * The function of which a String literal is the value at the list of its characters. There must be one, with the constants of
 * which the list is made, and all must have the types that they should have; without it a literal could be a term of a type
 * that has none. The first function found stays, so that a later one cannot give literals another meaning.
 */
function speller(environment) {
  environment.speller ??= findSpeller(environment);
  demand(environment.speller !== null, 'infer.literal', 'what a String literal is spelled with is not declared as it should be');
  return terms.constantOf(environment.speller);
}

/** The name of that function, or null. */
function findSpeller(environment) {
  const has = (name, type, params) => {
    const found = environment.get(name);
    return found !== undefined && !found.unsafe && found.levelParams.length === params && found.type === type;
  };
  const parameter = environment.get(NAMES.List)?.levelParams[0];
  if (parameter === undefined || environment.get(NAMES['List.nil'])?.levelParams[0] !== parameter ||
      environment.get(NAMES['List.cons'])?.levelParams[0] !== parameter) return null;
  const u = levels.param(parameter), type = terms.sort(levels.succ(u)), list = x => terms.app(terms.constantOf(NAMES.List, u), x);
  const [x0, x1, x2] = [0, 1, 2].map(terms.bvar);
  const known = hasNat(environment) && has(NAMES.Char, TYPE, 0) && has(NAMES.String, TYPE, 0) &&
    has(NAMES['Char.ofNat'], terms.arrow(NAT, CHAR), 0) && has(NAMES.List, terms.pi(type, type), 1) &&
    has(NAMES['List.nil'], terms.pi(type, list(x0)), 1) &&
    has(NAMES['List.cons'], terms.pi(type, terms.pi(x0, terms.pi(list(x1), list(x2)))), 1);
  return (known && SPELLERS.find(name => has(name, terms.arrow(LIST_OF_CHAR, STRING), 0))) || null;
}

/** A String literal as that function of the list of its characters. */
function spell(environment, literal) {
  const characters = [...literal.a].map(c => terms.app(OF_NAT, terms.nat(BigInt(c.codePointAt(0)))));
  return terms.app(speller(environment), characters.reduceRight((rest, c) => terms.apply(CONS, [c, rest]), NIL));
}

module.exports = { NAT, ZERO, SUCC, BOOL, TRUE, FALSE, hasNat, hasBool, typeOf, natToConstructor, numberOf, predecessor, spell };
