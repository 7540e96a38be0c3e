'use strict';
/**
 * Declarations as Lean's kernel keeps them: comparing statements between two environments, and what a proof rests on.
 * ConstantInfo: tag = kind below, field 0 = its value structure, whose field 0 is (name, universe names, type).
 */

const abi = require('./abi.cjs');
const expressions = require('./expressions.cjs');

const KINDS = ['axiom', 'def', 'theorem', 'opaque', 'quot', 'inductive', 'constructor', 'recursor'];
const [AXIOM, DEF, THEOREM, OPAQUE, , INDUCTIVE] = KINDS.keys();

/** Constant of an environment by its Name (borrowed), owned; null if there is none. */
const find = (env, name) => abi.option(abi.W.l_Lean_Environment_find_x3f(abi.inc(env), abi.inc(name), 0));
const kindOf = c => abi.tag(c);
const base = c => abi.field(abi.field(c, 0), 0);
const type = c => abi.field(base(c), 2);
const universes = c => abi.listItems(abi.field(base(c), 1)).map(abi.nameText).join(' ');
const value = c => [DEF, THEOREM, OPAQUE].includes(kindOf(c)) ? abi.field(abi.field(c, 0), 1) : null;
const constructors = c => kindOf(c) === INDUCTIVE ? abi.listItems(abi.field(abi.field(c, 0), 4)) : [];

/** Does the constant come from an imported module (and not from the text)? */
function imported(env, name) {
  const index = abi.W.l_Lean_Environment_getModuleIdxFor_x3f(env, name);
  abi.dec(index);
  return !abi.isScalar(index);
}

/** Calls `visit` on the Name (borrowed) of every constant that occurs in an expression. */
function eachUsed(expression, visit) {
  const names = abi.W.l_Lean_Expr_getUsedConstants(abi.inc(expression));
  abi.arrayItems(names).forEach(visit);
  abi.dec(names);
}

/** A work list of Names, each taken once. */
function worklist() {
  const seen = new Set(), todo = [];
  return {
    add(name) { const text = abi.nameText(name); if (!seen.has(text)) { seen.add(text); todo.push([abi.inc(name), text]); } },
    *[Symbol.iterator]() { while (todo.length) { const [name, text] = todo.pop(); yield [name, text]; abi.dec(name); } },
  };
}

/**
 * How constants differ between two environments, in a word, or null. Only what the kernel keeps counts. Two auxiliary
 * constants of different names are the same if they are the same kind of thing, of the same type and value.
 */
function comparison(challenge, solution) {
  const difference = (a, b) => {
    if (!a || !b) return 'missing';
    if (kindOf(a) !== kindOf(b)) return 'kind';
    if (universes(a) !== universes(b)) return 'universes';
    if (!equal(type(a), type(b))) return 'type';
    if ((kindOf(a) === DEF || kindOf(a) === OPAQUE) && !equal(value(a), value(b))) return 'value';
    if (constructors(a).map(abi.nameText).join() !== constructors(b).map(abi.nameText).join()) return 'constructors';
    return null;
  };
  const sameConstant = (n, m) => {
    if (imported(challenge, n) || imported(solution, m)) return false;
    const a = find(challenge, n), b = find(solution, m), how = difference(a, b);
    for (const c of [a, b]) if (c) abi.dec(c);
    return how === null;
  };
  const equal = (a, b) => expressions.equal(a, b, sameConstant);
  return difference;
}

/**
 * How the constants of the texts that a list of expressions rests on, transitively, differ between two environments:
 * [{ name, how }]. A theorem's proof does not count, only what it states.
 */
function differences(challenge, solution, names) {
  const differs = [], rest = worklist(), difference = comparison(challenge, solution);
  names.forEach(rest.add);
  for (const [n, text] of rest) {
    if (imported(challenge, n) && imported(solution, n)) continue;
    const x = find(challenge, n), y = find(solution, n);
    // An auxiliary constant that only one side has was compared where it is used.
    const how = expressions.isAuxiliary(n) && !(x && y) ? null : difference(x, y);
    if (how) differs.push({ name: text, how });
    for (const c of [x, y]) {
      if (!c) continue;
      eachUsed(type(c), rest.add);
      if (kindOf(c) === DEF || kindOf(c) === OPAQUE) eachUsed(value(c), rest.add);
      constructors(c).forEach(rest.add);
      abi.dec(c);
    }
  }
  return differs;
}

/**
 * Compare theorem `name` (text) of two environments: its statement and every definition of the texts that it rests on,
 * and what the solution's proof rests on. Returns { challenge, solution (kinds, null where it is missing), differs:
 * [{ name, how }], axioms: [{ name, challenge (the challenge declares it too, with the same meaning) }] }.
 */
function compare(challenge, solution, name, watched) {
  const wanted = abi.parseName(name);
  const a = find(challenge, wanted), b = find(solution, wanted);
  const out = { challenge: a && KINDS[kindOf(a)], solution: b && KINDS[kindOf(b)], differs: [], axioms: axioms(solution, name, watched) ?? [] };
  if (a && b) out.differs = differences(challenge, solution, [wanted]);
  for (const axiom of out.axioms) {
    const n = abi.parseName(axiom.name);
    axiom.challenge = !axiom.imported && differences(challenge, solution, [n]).length === 0;
    abi.dec(n);
  }
  abi.dec(wanted);
  for (const c of [a, b]) if (c) abi.dec(c);
  return out;
}

/**
 * What constant `name` (text) rests on: names of the axioms met in the text and among the imported ones.
 * This build's modules show imported theorems as axioms, so an imported name is listed only if it is in `watched`.
 * Returns null if there is no such constant, else [{ name, imported }].
 */
function axioms(env, name, watched) {
  const first = abi.parseName(name), c = find(env, first);
  if (!c) { abi.dec(first); return null; }
  abi.dec(c);
  const found = [], rest = worklist();
  rest.add(first);
  abi.dec(first);
  for (const [n, text] of rest) {
    const fromImport = imported(env, n);
    if (fromImport && !watched.has(text)) continue;
    const x = find(env, n);
    if (!x) continue;
    if (kindOf(x) === AXIOM) found.push({ name: text, imported: fromImport });
    if (!fromImport) {
      eachUsed(type(x), rest.add);
      if (value(x) !== null) eachUsed(value(x), rest.add);
      constructors(x).forEach(rest.add);
    }
    abi.dec(x);
  }
  return found.sort((x, y) => x.name < y.name ? -1 : 1);
}

/** Names (text) of the constants that `env` has beyond its imports and beyond `before`, whose value or type uses `symbol`. */
function newConstantsUsing(env, before, symbol) {
  const map = abi.W.l_Lean_Environment_constants(abi.inc(env)), hits = [];
  for (const [name, c] of abi.persistentPairs(abi.field(map, 1))) {
    const old = before && find(before, name);
    const same = old === c;
    if (old) abi.dec(old);
    if (same) continue;
    let uses = false;
    const check = n => { if (abi.kindText(n) === symbol) uses = true; };
    eachUsed(type(c), check);
    if (value(c) !== null) eachUsed(value(c), check);
    if (uses) hits.push(abi.nameText(name));
  }
  abi.dec(map);
  return hits.sort();
}

module.exports = { compare, axioms, newConstantsUsing };
