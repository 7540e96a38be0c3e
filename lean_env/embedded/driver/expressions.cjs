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

const [BOUND, FREE, SORT, CONST, APP, LAMBDA, PI, LET, LITERAL, ANNOTATION, PROJECTION] = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const CHILDREN = { [APP]: [0, 1], [LAMBDA]: [1, 2], [PI]: [1, 2], [LET]: [1, 2, 3], [ANNOTATION]: [1], [PROJECTION]: [2] };
const BINDERS = ['default', 'implicit', 'strictImplicit', 'instImplicit'];      // by BinderInfo
const AUXILIARY = /(^|\.)(match|_proof|_aux|proof)_[0-9]+$/;

const same = (a, b) => (abi.W.lean_expr_eqv(a, b) & 1) === 1;        // alpha-equivalence
const sameName = (a, b) => a === b || (abi.W.lean_name_eq(a, b) & 1) === 1;
const sameLevels = (a, b) => { const xs = abi.listItems(a), ys = abi.listItems(b); return xs.length === ys.length && xs.every((x, i) => (abi.W.lean_level_eq(x, ys[i]) & 1) === 1); };
const withoutAnnotations = x => { while (abi.tag(x) === ANNOTATION) x = abi.field(x, 1); return x; };

/**
 * A scope says what a term's bound variables and universe parameters stand for: { binders, levels, id }. binders: { type, levels, outer }, the
 * innermost first, each type in the scope of those outside of it; levels: parameter (key of its name) -> { level, levels }, or null: for themselves.
 */
const OUTERMOST = { binders: null, levels: null, id: 0 };
let scopes = 0;
const under = ({ binders, levels }, type) => ({ binders: { type, levels, outer: binders }, levels, id: ++scopes });

/** The head of a term (borrowed), which is no application, and its arguments. */
function spine(x) {
  const args = [];
  for (x = withoutAnnotations(x); abi.tag(x) === APP; x = withoutAnnotations(abi.field(x, 0))) args.push(abi.field(x, 1));
  return [x, args.reverse()];
}

const isAuxiliary = name => AUXILIARY.test(abi.kindText(name));

/** Calls `visit` on the Name (borrowed) of every constant that occurs in an expression. */
function eachConstant(expression, visit) {
  const names = abi.W.l_Lean_Expr_getUsedConstants(abi.inc(expression));
  abi.arrayItems(names).forEach(n => visit(n));
  abi.dec(names);
}

/** Keys of the ids of the free variables that expressions (borrowed) speak of. */
function freeVariables(expressions) {
  const found = new Set(), seen = new Set();
  const go = e => {
    if ((e & 1) || seen.has(e)) return;
    seen.add(e);
    if (abi.tag(e) === FREE) found.add(abi.nameKey(abi.field(e, 0)));
    else if (abi.tag(e) in CHILDREN) CHILDREN[abi.tag(e)].forEach(i => go(abi.field(e, i)));
  };
  expressions.forEach(go);
  return found;
}

/**
 * Are borrowed expressions `a` and `b` equal, up to names of bound variables, annotations, and as far as their constants are? Every pair
 * of constants that stand at the same place is given to `pair(n, m)` (borrowed), once or more; what the two are is left to
 * the caller. Constants of different names make a pair only if both names are auxiliary; else the answer is false.
 * With `types` (a Types of each one's environment, see irrelevance.cjs), proofs may differ: what is an argument, or a `have`, on both sides.
 */
function equal(a, b, pair, types = null) {
  if (same(a, b)) { eachConstant(a, n => pair(n, n)); return true; }
  const seen = new Set();
  const go = (x, y, s, t) => {
    const key = types && (isOpen(x) || isOpen(y)) ? `${x} ${y} ${s.id} ${t.id}` : `${x} ${y}`;
    if (seen.has(key)) return true;
    seen.add(key);
    [x, y] = [x, y].map(withoutAnnotations);
    const tag = abi.tag(x), field = (i, into = false) => go(abi.field(x, i), abi.field(y, i), ...(into && types ? [under(s, abi.field(x, 1)), under(t, abi.field(y, 1))] : [s, t]));
    if (tag !== abi.tag(y)) return false;
    if (tag === CONST) {
      const [n, m] = [abi.field(x, 0), abi.field(y, 0)];
      if (!sameLevels(abi.field(x, 1), abi.field(y, 1)) || !(sameName(n, m) || (isAuxiliary(n) && isAuxiliary(m)))) return false;
      pair(n, m);
      return true;
    }
    if (tag === APP) {
      const [f, xs] = spine(x), [g, ys] = spine(y);
      if (xs.length !== ys.length || !go(f, g, s, t)) return false;
      const proofs = types?.[0].proofPlaces(f, s, xs.length), others = types?.[1].proofPlaces(g, t, ys.length);
      return xs.every((arg, i) => (proofs?.[i] && others[i]) || go(arg, ys[i], s, t));
    }
    if (tag === LAMBDA || tag === PI) return field(1) && field(2, true);
    if (tag === LET) {
      const proof = types && types[0].isProposition(abi.field(x, 1), s) && types[1].isProposition(abi.field(y, 1), t);
      return field(1) && (proof || field(2)) && field(3, true);
    }
    if (tag === PROJECTION) {
      if (!(sameName(abi.field(x, 0), abi.field(y, 0)) && abi.field(x, 1) === abi.field(y, 1))) return false;
      pair(abi.field(x, 0), abi.field(y, 0));
      return field(2);
    }
    return same(x, y);
  };
  return go(a, b, OUTERMOST, OUTERMOST);
}

/** Does a variable that is bound outside of an expression (borrowed) occur in it? */
const isOpen = x => abi.call('l_Lean_Expr_hasLooseBVars___boxed', abi.inc(x)) !== abi.box(0);

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

module.exports = { BOUND, FREE, SORT, CONST, APP, LAMBDA, PI, LET, LITERAL, ANNOTATION, PROJECTION, BINDERS, CHILDREN, OUTERMOST, equal, eachConstant, freeVariables, isConstant, isData, sameName, spine, under, withoutAnnotations };
