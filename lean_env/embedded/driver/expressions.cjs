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

const [BOUND, SORT, CONST, APP, LAMBDA, PI, LET, LITERAL, ANNOTATION, PROJECTION] = [0, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const CHILDREN = { [APP]: [0, 1], [LAMBDA]: [1, 2], [PI]: [1, 2], [LET]: [1, 2, 3], [ANNOTATION]: [1], [PROJECTION]: [2] };
const BINDERS = ['default', 'implicit', 'strictImplicit', 'instImplicit'];      // by BinderInfo
const AUXILIARY = /(^|\.)(match|_proof|_aux|proof)_[0-9]+$/;

const same = (a, b) => (abi.W.lean_expr_eqv(a, b) & 1) === 1;        // alpha-equivalence
const sameName = (a, b) => a === b || (abi.W.lean_name_eq(a, b) & 1) === 1;
const sameLevels = (a, b) => { const xs = abi.listItems(a), ys = abi.listItems(b); return xs.length === ys.length && xs.every((x, i) => (abi.W.lean_level_eq(x, ys[i]) & 1) === 1); };
const withoutAnnotations = x => { while (abi.tag(x) === ANNOTATION) x = abi.field(x, 1); return x; };
const isAuxiliary = name => AUXILIARY.test(abi.kindText(name));

/** Calls `visit` on the Name (borrowed) of every constant that occurs in an expression. */
function eachConstant(expression, visit) {
  const names = abi.W.l_Lean_Expr_getUsedConstants(abi.inc(expression));
  abi.arrayItems(names).forEach(n => visit(n));
  abi.dec(names);
}

/**
 * Are borrowed expressions `a` and `b` equal, up to names of bound variables, annotations, and as far as their constants are? Every pair
 * of constants that stand at the same place is given to `pair(n, m)` (borrowed), once or more; what the two are is left to
 * the caller. Constants of different names make a pair only if both names are auxiliary; else the answer is false.
 */
function equal(a, b, pair) {
  if (same(a, b)) { eachConstant(a, n => pair(n, n)); return true; }
  const seen = new Set();
  const go = (x, y) => {
    const key = `${x} ${y}`;
    if (seen.has(key)) return true;
    seen.add(key);
    [x, y] = [x, y].map(withoutAnnotations);
    const tag = abi.tag(x);
    if (tag !== abi.tag(y)) return false;
    if (tag === CONST) {
      const [n, m] = [abi.field(x, 0), abi.field(y, 0)];
      if (!sameLevels(abi.field(x, 1), abi.field(y, 1)) || !(sameName(n, m) || (isAuxiliary(n) && isAuxiliary(m)))) return false;
      pair(n, m);
      return true;
    }
    if (tag === PROJECTION) {
      if (!(sameName(abi.field(x, 0), abi.field(y, 0)) && abi.field(x, 1) === abi.field(y, 1))) return false;
      pair(abi.field(x, 0), abi.field(y, 0));
    }
    if (tag === SORT || tag === LITERAL || !(tag in CHILDREN)) return same(x, y);
    return CHILDREN[tag].every(i => go(abi.field(x, i), abi.field(y, i)));
  };
  return go(a, b);
}

/** Is an expression (borrowed) built of literals, applications, `let`s, and constants of which `plain(name)` holds, and nothing else? */
function isData(expression, plain) {
  const seen = new Set();
  const go = x => {
    if (seen.has(x)) return true;
    seen.add(x);
    const tag = abi.tag(x);
    if (tag === CONST) return plain(abi.field(x, 0));
    return tag === LITERAL || tag === BOUND || ((tag === APP || tag === LET || tag === ANNOTATION || tag === PROJECTION) && CHILDREN[tag].every(i => go(abi.field(x, i))));
  };
  return go(expression);
}

/** Is an expression a constant (of that name)? */
const isConstant = (expression, name) => abi.tag(expression) === CONST && (name === undefined || abi.kindText(abi.field(expression, 0)) === name);

module.exports = { BOUND, SORT, CONST, APP, LAMBDA, PI, LET, LITERAL, ANNOTATION, PROJECTION, BINDERS, CHILDREN, equal, eachConstant, isConstant, isData, sameName };
