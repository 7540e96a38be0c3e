'use strict';
/**
 * Equality of expressions from two environments. Lean shares auxiliary definitions (`f.match_1`, `f._proof_2`) between
 * declarations and names them after the first one that needed them, so that a helper lemma in front of a theorem changes
 * names inside its statement. Such constants are compared by what they are, not by what they are called.
 *
 * Expr by tag: 0 bound variable, 1 free, 2 meta, 3 sort (level), 4 constant (name, levels), 5 application, 6 λ, 7 ∀ (name,
 * type, body), 8 let (name, type, value, body), 9 literal, 10 annotation (data, expression), 11 projection (structure, index, expression).
 */

const abi = require('./abi.cjs');

const [SORT, CONST, APP, LAMBDA, PI, LET, LITERAL, ANNOTATION, PROJECTION] = [3, 4, 5, 6, 7, 8, 9, 10, 11];
const CHILDREN = { [APP]: [0, 1], [LAMBDA]: [1, 2], [PI]: [1, 2], [LET]: [1, 2, 3], [ANNOTATION]: [1], [PROJECTION]: [2] };
const AUXILIARY = /(^|\.)(match|_proof|_aux|proof)_[0-9]+$/;

const same = (a, b) => (abi.W.lean_expr_eqv(a, b) & 1) === 1;        // alpha-equivalence
const sameName = (a, b) => a === b || (abi.W.lean_name_eq(a, b) & 1) === 1;
const sameLevels = (a, b) => { const xs = abi.listItems(a), ys = abi.listItems(b); return xs.length === ys.length && xs.every((x, i) => (abi.W.lean_level_eq(x, ys[i]) & 1) === 1); };
const isAuxiliary = name => AUXILIARY.test(abi.kindText(name));

/**
 * Are borrowed expressions `a` and `b` equal up to names of bound variables and of auxiliary constants?
 * `sameConstant(n, m)` decides about two auxiliary constants of different names (borrowed).
 */
function equal(a, b, sameConstant) {
  if (same(a, b)) return true;
  const seen = new Set();
  const go = (x, y) => {
    if (x === y) return true;
    const key = `${x} ${y}`;
    if (seen.has(key)) return true;
    seen.add(key);
    const tag = abi.tag(x);
    if (tag !== abi.tag(y)) return false;
    if (tag === CONST) {
      const [n, m] = [abi.field(x, 0), abi.field(y, 0)];
      return sameLevels(abi.field(x, 1), abi.field(y, 1)) && (sameName(n, m) || (isAuxiliary(n) && isAuxiliary(m) && sameConstant(n, m)));
    }
    if (tag === PROJECTION && !(sameName(abi.field(x, 0), abi.field(y, 0)) && abi.field(x, 1) === abi.field(y, 1))) return false;
    if (tag === SORT || tag === LITERAL || !(tag in CHILDREN)) return same(x, y);
    return CHILDREN[tag].every(i => go(abi.field(x, i), abi.field(y, i)));
  };
  return go(a, b);
}

module.exports = { equal, isAuxiliary };
