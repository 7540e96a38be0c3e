'use strict';
/**
 * Translation of nested inductive types into mutual ones, and back. Where a type of the block occurs in the parameters of another inductive type, as Tree in List Tree,
 * that other type is copied for these parameters and becomes an auxiliary type of the block, so that the block is a mutual one.
 * What is made of the block (the recursors) is translated back: the auxiliary types and constructors become List Tree again.
 */

const terms = require('./terms.cjs');
const levels = require('./levels.cjs');
const { Scope, abstract, bindPi, instantiate, instantiateLevels, mapChildren, mentions } = require('./substitute.cjs');
const { demand } = require('./verdicts.cjs');
const { CONST, APP, PI } = terms;

/** What follows the first binders of a ∀, with values put in for them. */
function specialize(name, type, values) {
  let rest = type;
  for (let i = 0; i < values.length; i++) {
    demand(rest.kind === PI, 'inductive.parameters', () => `${name} takes fewer parameters`);
    rest = rest.b;
  }
  return instantiate(rest, values);
}

/** The translation of a block { levelParams, numParams, types }. */
class Translation {
  constructor(environment, { levelParams, numParams, types }) {
    this.environment = environment;
    this.own = levels.list(levelParams.map(levels.param));
    this.main = types[0].name;
    this.params = [];
    const scope = new Scope();
    for (let rest = types[0].type; this.params.length < numParams; rest = instantiate(rest.b, [this.params.at(-1)])) {
      demand(rest.kind === PI, 'inductive.parameters', () => `${this.main} takes fewer parameters`);
      this.params.push(scope.variable(rest.a));
    }
    this.names = new Set(types.map(t => t.name));
    this.auxiliaries = [];          // { name, stands: the term that the auxiliary type stands for }
    this.originals = new Map();     // name of an auxiliary type or constructor → what it stands for, under the parameters
    this.queue = [...types];
    const translated = [];
    for (let i = 0; i < this.queue.length; i++) {
      const { name, type, ctors } = this.queue[i];
      translated.push({ name, type, ctors: ctors.map(c => ({ name: c.name, type: this.translate(c) })) });
    }
    this.block = { levelParams, numParams, types: this.auxiliaries.length === 0 ? types : translated };
  }

  /** A constructor's type with auxiliary types for nested occurrences. */
  translate({ name, type }) {
    const memo = new Map();
    const go = t => {
      let result = memo.get(t);
      if (result === undefined) memo.set(t, result = this.replacement(name, t) ?? mapChildren(t, 0, go));
      return result;
    };
    return bindPi(this.params, go(specialize(name, type, this.params)));
  }

  /** The auxiliary type for an inductive type whose parameters mention the block; null for other terms. */
  replacement(name, term) {
    if (term.kind !== APP) return null;
    const f = terms.head(term), xs = terms.args(term);
    if (f.kind !== CONST || this.names.has(f.a)) return null;
    const inductive = this.environment.find(f.a, 'inductive');
    if (inductive === null || xs.length < inductive.numParams) return null;
    const parameters = xs.slice(0, inductive.numParams);
    if (!parameters.some(x => mentions(x, this.names))) return null;
    demand(parameters.every(x => x.loose === 0), 'inductive.nested',
      () => `in ${name}, ${f.a} is nested with parameters that depend on local variables`);
    const stands = terms.apply(f, parameters);
    if (!this.auxiliaries.some(a => a.stands === stands)) this.addAuxiliaries(inductive, f.b, parameters);
    const auxiliary = this.auxiliaries.find(a => a.stands === stands);
    return terms.apply(terms.constant(auxiliary.name, this.own), [...this.params, ...xs.slice(inductive.numParams)]);
  }

  /** Copies an inductive type, with all the types of its own block, for these levels and parameters. */
  addAuxiliaries(inductive, list, parameters) {
    const copy = found => {
      demand(found.levelParams.length === list.items.length, 'infer.constant', () => `${found.name} takes ${found.levelParams.length} levels`);
      return bindPi(this.params, specialize(found.name, instantiateLevels(found.type, found.levelParams, list), parameters));
    };
    const stand = found => abstract(terms.apply(terms.constant(found.name, list), parameters), this.params);
    for (const member of inductive.all) {
      const found = this.environment.find(member, 'inductive');
      demand(found !== null && !found.unsafe && found.numParams === parameters.length, 'inductive.nested', () => `${member} cannot be nested`);
      const name = this.main.child(-1 - this.auxiliaries.length);         // numbers in names of the file are not negative
      this.auxiliaries.push({ name, stands: terms.apply(terms.constant(member, list), parameters) });
      this.originals.set(name, stand(found));
      const ctors = found.ctors.map((ctor, i) => {
        const original = this.environment.find(ctor, 'ctor');
        this.originals.set(name.child(i), stand(original));
        return { name: name.child(i), type: copy(original) };
      });
      this.names.add(name);
      this.queue.push({ name, type: copy(found), ctors });
    }
  }

  /** The name of the constructor that a constructor of the translated block stands for. */
  originalName(ctor) { return this.originals.has(ctor) ? terms.head(this.originals.get(ctor)).a : ctor; }

  /** A term about the translated block as a term about the original one. */
  restore(term) {
    if (this.auxiliaries.length === 0) return term;
    const memo = new Map(), n = this.params.length;
    const go = t => {
      let result = memo.get(t);
      if (result !== undefined) return result;
      const f = terms.head(t), original = f.kind === CONST ? this.originals.get(f.a) : undefined;
      if (original === undefined) result = mapChildren(t, 0, go);
      else {
        const xs = terms.args(t).map(go);
        result = terms.apply(instantiate(original, xs.slice(0, n)), xs.slice(n));
      }
      memo.set(t, result);
      return result;
    };
    return go(term);
  }
}

module.exports = { Translation };
