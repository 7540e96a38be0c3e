'use strict';
/** Compare a theorem's statement between two environments, and find the axioms and `sorry`s that it rests on. Reads constants as the kernel keeps them. */

const abi = require('./abi.cjs');
const constants = require('./constants.cjs');
const expressions = require('./expressions.cjs');
const { Types } = require('./irrelevance.cjs');
const hasComputedSort = require('./sorts.cjs');

const { KINDS, AXIOM, DEF, THEOREM, OPAQUE, find, has, imported, kindOf, type, value, constructors } = constants;

const universes = c => abi.listItems(constants.universeNames(c)).map(abi.nameText).join(' ');

/** A work list of Names, each taken once. */
function worklist() {
  const seen = new Set(), todo = [];
  return {
    add(name) { const key = abi.nameKey(name); if (!seen.has(key)) { seen.add(key); todo.push([abi.inc(name), abi.nameText(name)]); } },
    *[Symbol.iterator]() { while (todo.length) { const [name, text] = todo.pop(); yield [name, text]; abi.dec(name); } },
  };
}

/**
 * How the constants of the texts that `name` (borrowed) rests on differ between two environments: [{ name, how }]. Starting
 * from that name on both sides, pairs of constants are compared that stand at the same place in what was compared before;
 * of a theorem counts what it states, not its proof; and so of `name`, if it is a `definition`. Auxiliary definitions make a pair under different names too.
 * Two proofs of the same never differ (see irrelevance.cjs), unless it is to be `exact`.
 */
function differences(challenge, solution, name, { definition = false, exact = false } = {}) {
  const differs = [], seen = new Set(), todo = [], types = exact ? null : [new Types(challenge), new Types(solution)];
  const pair = (n, m) => {
    const key = `${abi.nameKey(n)} ${abi.nameKey(m)}`;
    if (!seen.has(key)) { seen.add(key); todo.push([abi.inc(n), abi.inc(m)]); }
  };
  const difference = (n, m) => {
    const renamed = !expressions.sameName(n, m), fromImport = [imported(challenge, n), imported(solution, m)];
    if (fromImport[0] && fromImport[1] && !renamed) return null;
    if (fromImport[0] || fromImport[1]) return 'origin';
    const a = find(challenge, n), b = find(solution, m);
    try {
      if (!a || !b) return 'missing';
      if (kindOf(a) !== kindOf(b)) return 'kind';
      if (renamed && kindOf(a) !== DEF && kindOf(a) !== THEOREM) return 'name';     // only these are what their value is
      if (universes(a) !== universes(b)) return 'universes';
      if (!expressions.equal(type(a), type(b), pair, types)) return 'type';
      const proof = types?.[0].isProposition(type(a), expressions.OUTERMOST) && types[1].isProposition(type(b), expressions.OUTERMOST);
      const counts = (kindOf(a) === DEF || kindOf(a) === OPAQUE) && !(definition && expressions.sameName(n, name)) && !proof;
      if (counts && !expressions.equal(value(a), value(b), pair, types)) return 'value';
      const own = constructors(a);
      if (own.map(abi.nameText).join() !== constructors(b).map(abi.nameText).join()) return 'constructors';
      own.forEach(c => pair(c, c));
      return null;
    } finally { for (const c of [a, b]) if (c) abi.dec(c); }
  };
  pair(name, name);
  while (todo.length) {
    const [n, m] = todo.pop(), how = difference(n, m);
    if (how) differs.push({ name: abi.nameText(m), how });
    abi.dec(n); abi.dec(m);
  }
  types?.forEach(known => known.free());
  return differs;
}

/**
 * Compare theorem `name` (text) of two environments: its statement and every definition of the texts that it rests on,
 * and what the solution's proof rests on. Returns { challenge, solution (kinds, null where it is missing), differs: [{ name, how }],
 * axioms: [{ name, challenge (the challenge declares it too, with the same meaning) }], computedSort (see `restsOn`),
 * sorries: [name] (what of it uses `sorry` itself) }.
 */
function compare(challenge, solution, name, watched, definition = false) {
  const wanted = abi.parseName(name);
  const a = find(challenge, wanted), b = find(solution, wanted);
  const { axioms, computedSort } = restsOn(solution, name, watched) ?? { axioms: [], computedSort: null };
  const out = { challenge: a && KINDS[kindOf(a)], solution: b && KINDS[kindOf(b)], differs: [], axioms, computedSort,
    sorries: axioms.some(axiom => axiom.name === 'sorryAx') ? usingSorry(solution, name) : [] };
  if (a && b) out.differs = differences(challenge, solution, wanted, { definition });
  for (const axiom of axioms) {
    const n = abi.parseName(axiom.name);
    axiom.challenge = !axiom.imported && differences(challenge, solution, n).length === 0;
    abi.dec(n);
  }
  abi.dec(wanted);
  for (const c of [a, b]) if (c) abi.dec(c);
  return out;
}

/**
 * What constant `name` (text) rests on: { axioms: [{ name, imported }] (met in the text and among the imported ones), computedSort
 * (name of an inductive type of the text whose sort is computed, see sorts.cjs, or null) }; null if there is no such constant.
 * This build's modules show imported theorems as axioms, so an imported name is listed only if it is in `watched`.
 */
function restsOn(env, name, watched) {
  const first = abi.parseName(name), known = has(env, first), axioms = [];
  let computedSort = null;
  abi.dec(first);
  if (!known) return null;
  eachBeneath(env, name, (text, x) => {
    if (x === null ? watched.has(text) : kindOf(x) === AXIOM) axioms.push({ name: text, imported: x === null });
    if (x !== null && hasComputedSort(x)) computedSort ??= text;
  });
  return { axioms: axioms.sort((x, y) => x.name < y.name ? -1 : 1), computedSort };
}

/**
 * Calls `visit(text of its name, constant)` for constant `name` (text) and for each that it rests on; the constant (borrowed)
 * is null where it is imported, and what that rests on is not looked at.
 */
function eachBeneath(env, name, visit) {
  const first = abi.parseName(name), rest = worklist();
  rest.add(first);
  abi.dec(first);
  for (const [n, text] of rest) {
    if (imported(env, n)) { visit(text, null); continue; }
    const x = find(env, n);
    if (!x) continue;
    visit(text, x);
    expressions.eachConstant(type(x), rest.add);
    if (value(x) !== null) expressions.eachConstant(value(x), rest.add);
    constructors(x).forEach(rest.add);
    abi.dec(x);
  }
}

/** Names (text) of the constants beneath `name` (text) that use `sorry` themselves. */
function usingSorry(env, name) {
  const found = [];
  eachBeneath(env, name, (text, x) => {
    let uses = false;
    const check = n => { if (abi.kindText(n) === 'sorryAx') uses = true; };
    if (x) [type(x), ...(value(x) === null ? [] : [value(x)])].forEach(part => expressions.eachConstant(part, check));
    if (uses) found.push(text);
  });
  return found.sort();
}

module.exports = { compare, differences, restsOn, worklist };
