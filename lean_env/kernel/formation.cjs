'use strict';
/**
 * Checks of the formation of a block of mutual inductive types without nested occurrences: parameters, indices and sorts of the
 * types; fields of the constructors, their universes and strict positivity; and whether the recursors eliminate into all sorts.
 *
 * A block is given as { levelParams, numParams, types: [{ name, type, ctors: [{ name, type }] }] }, and its types are in the
 * environment. `form` answers it with what was found out:
 *   { list, scope, params, level, large, isRec, isReflexive, k, types: [{ name, constant, indices, ctors }] }
 *   and for each constructor { name, fields: [{ variable, level, recursive }], result }
 * where `recursive` is null or { xs, type, indices }: the field is a function of variables xs to that type at these indices.
 */

const equal = require('./equal.cjs');
const infer = require('./infer.cjs');
const levels = require('./levels.cjs');
const reduce = require('./reduce.cjs');
const terms = require('./terms.cjs');
const { ownConstant } = require('./environment.cjs');
const { Scope, instantiate, mentions } = require('./substitute.cjs');
const { demand } = require('./verdicts.cjs');
const { SORT, PI } = terms;

/** A block while it is formed. */
class Block {
  constructor(session, { levelParams, numParams, types }) {
    this.session = session;
    this.numParams = numParams;
    this.scope = new Scope();
    this.params = [];
    this.level = null;              // of the sort in which all the types are
    this.names = new Set(types.map(t => t.name));
    this.types = types.map(t => ({ name: t.name, constant: ownConstant({ name: t.name, levelParams }), indices: null, ctors: null }));
    types.forEach((t, i) => this.formType(this.types[i], t));
    types.forEach((t, i) => { this.types[i].ctors = t.ctors.map(c => this.formConstructor(i, c)); });
    this.large = this.isLarge();
    this.isRec = this.someField(({ variable }) => mentions(variable.a, this.names));
    this.isReflexive = this.someField(({ variable }) => variable.a.kind === PI && mentions(variable.a, this.names));
    this.k = types.length === 1 && levels.isZero(this.level) && this.types[0].ctors.length === 1 && this.types[0].ctors[0].fields.length === 0;
  }

  someField(holds) { return this.types.some(t => t.ctors.some(c => c.fields.some(holds))); }

  /** What follows the parameters in a type; the parameters are those of the first type. */
  afterParams(name, type) {
    for (let i = 0; i < this.numParams; i++) {
      demand(type.kind === PI, 'inductive.parameters', () => `${name} takes fewer parameters`);
      if (i === this.params.length) this.params.push(this.scope.variable(type.a));
      demand(equal.areEqual(this.session, type.a, this.params[i].a), 'inductive.parameters', () => `${name} has another parameter ${i}`);
      type = instantiate(type.b, [this.params[i]]);
    }
    return type;
  }

  /**
   * The indices of a type, and the one sort of all the types. The sort must be written out: where it is computed, it may be
   * seen to be Prop here and not where the type is used.
   */
  formType(entry, { name, type }) {
    let rest = this.afterParams(name, type);
    entry.indices = [];
    for (; rest.kind === PI; rest = instantiate(rest.b, [entry.indices.at(-1)])) entry.indices.push(this.scope.variable(rest.a));
    demand(rest.kind === SORT, 'inductive.sort', () => `${name} does not end in a sort`);
    this.level ??= rest.a;
    demand(levels.equal(this.level, rest.a), 'inductive.sort', () => `${name} is in another universe than the type before it`);
  }

  /** The fields of a constructor of type number `of`, and the type it makes. */
  formConstructor(of, { name, type }) {
    infer.sortOf(this.session, type, true);
    let rest = this.afterParams(name, type);
    const fields = [], isProposition = levels.isZero(this.level);
    while (rest.kind === PI) {
      const level = infer.sortOf(this.session, rest.a, true);
      demand(isProposition || levels.leq(level, this.level), 'inductive.universe', () => `field ${fields.length} of ${name} is in a larger universe`);
      this.demandPositive(name, rest.a);
      const variable = this.scope.variable(rest.a);
      fields.push({ variable, level, recursive: this.recursion(rest.a) });
      rest = instantiate(rest.b, [variable]);
    }
    demand(this.occurrence(rest)?.type === of, 'inductive.result', () => `${name} makes ${terms.show(rest)}`);
    return { name, fields, result: rest };
  }

  /** A type of the block at its parameters and at indices in which the block does not occur: { type, indices }; or null. */
  occurrence(term) {
    const type = this.types.findIndex(t => t.constant === terms.head(term)), xs = terms.args(term);
    if (type === -1 || xs.length !== this.numParams + this.types[type].indices.length) return null;
    const indices = xs.slice(this.numParams);
    if (!this.params.every((p, i) => xs[i] === p) || indices.some(x => mentions(x, this.names))) return null;
    return { type, indices };
  }

  /** Strict positivity: the block occurs in the field's type not at all, or where its functions go to. */
  demandPositive(name, type) {
    const normal = reduce.whnf(this.session, type);
    if (!mentions(normal, this.names)) return;
    const isPi = normal.kind === PI;
    demand(isPi ? !mentions(normal.a, this.names) : this.occurrence(normal) !== null, 'inductive.positivity',
      () => `${name} has a field with a non-positive occurrence: ${terms.show(normal)}`);
    if (isPi) this.demandPositive(name, instantiate(normal.b, [this.scope.variable(normal.a)]));
  }

  /** How a field is recursive, or null. */
  recursion(type) {
    const xs = [];
    let rest = reduce.whnf(this.session, type);
    for (; rest.kind === PI; rest = reduce.whnf(this.session, instantiate(rest.b, [xs.at(-1)]))) xs.push(this.scope.variable(rest.a));
    const found = this.occurrence(rest);
    return found === null ? null : { xs, ...found };
  }

  /**
   * Large elimination, into every sort: for types that are never propositions; and of others, for a single type that has no
   * constructor, or one constructor whose fields are proofs or are seen in the type that it makes.
   */
  isLarge() {
    if (levels.isNeverZero(this.level)) return true;
    if (this.types.length > 1 || this.types[0].ctors.length > 1) return false;
    return this.types[0].ctors.every(({ fields, result }) => {
      const seen = terms.args(result);
      return fields.every(({ variable, level }) => levels.isZero(level) || seen.includes(variable));
    });
  }
}

const form = (session, block) => new Block(session, block);

module.exports = { form };
