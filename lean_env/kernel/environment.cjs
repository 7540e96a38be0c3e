'use strict';
/**
 * The environment: all constants that are declared so far, by name. A constant is an object with `kind`, `name`, `levelParams`,
 * `type` and
 *   axiom      -
 *   def        value, height (of unfolding: Infinity for an abbreviation, -1 for an opaque one)
 *   thm        value, height -1
 *   opaque     value
 *   quot       quotKind
 *   inductive  numParams, numIndices, all, ctors, isRec
 *   ctor       induct, cidx, numParams, numFields
 *   rec        numParams, numIndices, numMotives, numMinors, rules (a list of { ctor, nfields, rhs }), k
 * `unsafe` is true for what a safe declaration must not use. The terms in a constant are read when they are asked for (read.cjs).
 */

const levels = require('./levels.cjs');
const terms = require('./terms.cjs');
const { isReserved } = require('./quotients.cjs');
const { instantiateLevels } = require('./substitute.cjs');
const { demand } = require('./verdicts.cjs');

class Environment {
  constructor() {
    this.constants = new Map();
    this.accelerated = new Set();   // names of functions on Nat that may be computed with numbers
    this.speller = null;            // name of the function that makes Strings of lists, once a String literal has been seen
  }

  get(name) { return this.constants.get(name); }

  /** The constant of this name if it is of this kind, or null. */
  find(name, kind) {
    const found = this.constants.get(name);
    return found !== undefined && found.kind === kind ? found : null;
  }

  demandNew(name) { demand(!this.constants.has(name), 'declaration.name', () => `${name} is declared already`); }

  add(constant) {
    this.demandNew(constant.name);
    demand(constant.kind === 'quot' || !isReserved(constant.name), 'quotient.name', () => `${constant.name} is a name of quotients`);
    this.constants.set(constant.name, constant);
  }

  remove(name) { this.constants.delete(name); }
}

/**
 * What was found out while one declaration is checked: caches for the rules in infer.cjs, reduce.cjs and equal.cjs. With
 * `accelerate` false, functions on Nat are unfolded like any other.
 */
class Session {
  constructor(environment, accelerate = true) {
    this.environment = environment;
    this.accelerate = accelerate;
    this.checked = new Map();       // term → type, all rules checked
    this.assumed = new Map();       // term → type, for terms known to have a type
    this.cores = new Map();         // term → weak head normal form without unfolding
    this.normal = new Map();        // term → weak head normal form
    this.types = new Map();         // constant → its type
    this.values = new Map();        // constant → its value
    this.rules = new Map();         // computation rule → list of levels → its right side
    this.parents = new Map();       // union-find of terms found equal
    this.unequal = new Map();       // term → set of terms found not equal
    this.differing = new Map();     // term → set of applications of the same function whose arguments are not equal
  }

  /** The declaration of a constant, which must exist and take as many levels. */
  declaration(term) {
    const found = this.environment.get(term.a);
    demand(found !== undefined, 'infer.constant', () => `${term.a} is not declared`);
    demand(found.levelParams.length === term.b.items.length, 'infer.constant', () => `${term.a} takes ${found.levelParams.length} levels`);
    return found;
  }

  /** The type of a constant, with its levels put in. */
  constantType(term) { return this.instantiated(this.types, term, 'type'); }

  /** The value of a constant that can be unfolded, with its levels put in. */
  constantValue(term) { return this.instantiated(this.values, term, 'value'); }

  /** A part of a constant's declaration with the constant's levels put in; computed once. */
  instantiated(known, term, part) {
    let found = known.get(term);
    if (found === undefined) {
      const declaration = this.declaration(term);
      known.set(term, found = instantiateLevels(declaration[part], declaration.levelParams, term.b));
    }
    return found;
  }

  /** The right side of a recursor's computation rule, with levels put in. */
  ruleValue(rec, rule, list) {
    if (!this.rules.has(rule)) this.rules.set(rule, new Map());
    const known = this.rules.get(rule);
    let value = known.get(list);
    if (value === undefined) known.set(list, value = instantiateLevels(rule.rhs, rec.levelParams, list));
    return value;
  }

  /** The representative of the terms found equal to this one. */
  root(term) {
    let root = term;
    for (let up = this.parents.get(root); up !== undefined; up = this.parents.get(root)) root = up;
    while (term !== root) { const up = this.parents.get(term); this.parents.set(term, root); term = up; }
    return root;
  }

  /** true or false if it was found out whether two terms are equal, else null. */
  remembered(a, b) {
    if (this.root(a) === this.root(b)) return true;
    return this.unequal.get(a)?.has(b) || this.unequal.get(b)?.has(a) ? false : null;
  }

  remember(a, b, equal) {
    if (equal) {
      const [x, y] = [this.root(a), this.root(b)];
      if (x !== y) this.parents.set(x, y);
      return;
    }
    if (!this.unequal.has(a)) this.unequal.set(a, new Set());
    this.unequal.get(a).add(b);
  }

  /** Was it found out that two applications of one function differ in their arguments? (They may be equal all the same.) */
  differ(a, b) { return this.differing.get(a)?.has(b) ?? false; }

  rememberDiffering(a, b) {
    if (!this.differing.has(a)) this.differing.set(a, new Set());
    this.differing.get(a).add(b);
  }
}

/** Is the inductive type like a structure: one constructor, no indices, not recursive? */
const isStructure = inductive => inductive.ctors.length === 1 && inductive.numIndices === 0 && !inductive.isRec;

/** The inductive type of a recursor's major premise, by its name. */
function majorOf(rec) {
  rec.major ??= findMajor(rec);
  return rec.major;
}

function findMajor({ name, type, numParams, numMotives, numMinors, numIndices }) {
  for (let i = 0; i < numParams + numMotives + numMinors + numIndices && type.kind === terms.PI; i++) type = type.b;
  const f = type.kind === terms.PI ? terms.head(type.a) : null;
  demand(f?.kind === terms.CONST, 'inductive.recursor', () => `${name} has no major premise`);
  return f.a;
}

/** The constant `name` with its own level parameters as levels. */
const ownConstant = ({ name, levelParams }) => terms.constant(name, levels.list(levelParams.map(levels.param)));

module.exports = { Environment, Session, isStructure, majorOf, ownConstant };
