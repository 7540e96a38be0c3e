'use strict';
/**
 * Checks of Lean's own three axioms: propext, Quot.sound and Classical.choice. Users trust a proof that rests on these names
 * alone; so the axioms must state what they state in Lean, and the types in them must be those of Lean.
 */

const levels = require('./levels.cjs');
const terms = require('./terms.cjs');
const { named } = require('./names.cjs');
const { demandEquality, QUOT, MK, EQ } = require('./quotients.cjs');
const { demand } = require('./verdicts.cjs');

const [IFF, NONEMPTY] = ['Iff', 'Nonempty'].map(named);
const { pi, apply, arrow, sort, constantOf } = terms;
const PROP = sort(levels.zero);
const x = Array.from({ length: 5 }, (_, i) => terms.bvar(i));

/** Is `name` an inductive type of this type, with one constructor of that type? Both are made from its level parameters. */
function isInductive(environment, name, params, typeOf, constructorOf) {
  const found = environment.find(name, 'inductive');
  if (found === null || found.levelParams.length !== params || found.ctors.length !== 1 || found.ctors[0] !== name.child('intro')) return false;
  const own = found.levelParams.map(levels.param), ctor = environment.find(found.ctors[0], 'ctor');
  return found.type === typeOf(...own) && ctor.type === constructorOf(...own);
}

const iff = (a, b) => apply(constantOf(IFF), [a, b]);
const isIff = environment => isInductive(environment, IFF, 0, () => arrow(PROP, PROP, PROP),
  () => pi(PROP, pi(PROP, pi(pi(x[1], x[1]), pi(pi(x[1], x[3]), iff(x[3], x[2]))))));
const nonempty = (u, type) => apply(constantOf(NONEMPTY, u), [type]);
const isNonempty = environment => isInductive(environment, NONEMPTY, 1, u => pi(sort(u), PROP), u => pi(sort(u), pi(x[0], nonempty(u, x[1]))));

/** By name: number of level parameters, the type for these, and whether the types are there of which it speaks. */
const AXIOMS = new Map([
  ['propext', { params: 0, speaks: environment => { demandEquality(environment); return isIff(environment); },
    type: () => pi(PROP, pi(PROP, pi(iff(x[1], x[0]), apply(constantOf(EQ, levels.one), [PROP, x[2], x[1]])))) }],
  ['Quot.sound', { params: 1, speaks: environment => { demandEquality(environment); return true; },
    type: u => {
      const mk = a => apply(constantOf(MK, u), [x[4], x[3], a]);
      return pi(sort(u), pi(pi(x[0], pi(x[1], PROP)), pi(x[1], pi(x[2], pi(apply(x[2], [x[1], x[0]]),
        apply(constantOf(EQ, u), [apply(constantOf(QUOT, u), [x[4], x[3]]), mk(x[2]), mk(x[1])]))))));
    } }],
  ['Classical.choice', { params: 1, speaks: isNonempty, type: u => pi(sort(u), pi(nonempty(u, x[0]), x[1])) }],
].map(([text, axiom]) => [named(text), axiom]));

/** An axiom with the name of one of the three is that one. */
function demandOwn(environment, { name, levelParams, type }) {
  const axiom = AXIOMS.get(name);
  if (axiom === undefined) return;
  demand(axiom.speaks(environment) && levelParams.length === axiom.params && type === axiom.type(...levelParams.map(levels.param)),
    'declaration.axiom', () => `${name} is not what Lean calls so`);
}

module.exports = { demandOwn };
