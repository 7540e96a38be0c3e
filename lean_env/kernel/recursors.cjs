'use strict';
/**
 * Generation of the recursors of a formed block (formation.cjs), with their computation rules:
 *
 *   rec : ∀ params motives minors indices (major : I params indices), motive indices major
 *
 * with a motive for each type of the block and a minor premise for each constructor, which takes the fields and then an
 * induction hypothesis for each recursive field; and, for each constructor, the rule
 *
 *   rec params motives minors _ (ctor params fields) = minor fields (for each recursive field: λ xs, rec … (field xs))
 */

const levels = require('./levels.cjs');
const terms = require('./terms.cjs');
const { bindLam, bindPi } = require('./substitute.cjs');
const { apply } = terms;

/**
 * The recursors of a block, one for each type: { type, rules: [{ ctor, nfields, rhs }] }. They are called `names`; `motive` is
 * the level parameter for large elimination, or null.
 */
function recursors(block, levelParams, names, motive) {
  const { params, types, scope } = block;
  const sort = terms.sort(motive === null ? levels.zero : levels.param(motive));
  const own = levels.list(levelParams.map(levels.param));
  const recLevels = levels.list([...(motive === null ? [] : [levels.param(motive)]), ...own.items]);
  const majors = types.map(t => scope.variable(apply(t.constant, [...params, ...t.indices])));
  const motives = types.map((t, i) => scope.variable(bindPi([...t.indices, majors[i]], sort)));

  /** The induction hypothesis for a recursive field, as a type. */
  const hypothesis = ({ variable, recursive: { xs, type, indices } }) => bindPi(xs, apply(motives[type], [...indices, apply(variable, xs)]));
  const minorOf = (type, { name, fields, result }) => {
    const made = apply(terms.constant(name, own), [...params, ...fields.map(f => f.variable)]);
    const hypotheses = fields.filter(f => f.recursive !== null).map(f => scope.variable(hypothesis(f)));
    const goal = apply(motives[type], [...terms.args(result).slice(params.length), made]);
    return scope.variable(bindPi([...fields.map(f => f.variable), ...hypotheses], goal));
  };
  const minors = types.map((t, i) => t.ctors.map(c => minorOf(i, c)));
  const premises = [...params, ...motives, ...minors.flat()];

  /** The recursor on a recursive field. */
  const recursion = ({ variable, recursive: { xs, type, indices } }) =>
    bindLam(xs, apply(terms.constant(names[type], recLevels), [...premises, ...indices, apply(variable, xs)]));
  const ruleOf = ({ name, fields }, minor) => {
    const variables = fields.map(f => f.variable);
    const value = apply(minor, [...variables, ...fields.filter(f => f.recursive !== null).map(recursion)]);
    return { ctor: name, nfields: fields.length, rhs: bindLam([...premises, ...variables], value) };
  };
  return types.map((t, i) => ({
    type: bindPi([...premises, ...t.indices, majors[i]], apply(motives[i], [...t.indices, majors[i]])),
    rules: t.ctors.map((c, j) => ruleOf(c, minors[i][j])),
  }));
}

module.exports = { recursors };
