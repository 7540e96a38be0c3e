'use strict';
/**
 * A goal as a lemma of its own: the signature of a theorem that states it in the place of the theorem that it came from. Lean
 * prints the goal, reads what it has printed, and compares; where that is not the goal again, it prints with more detail.
 */

const abi = require('./abi.cjs');
const { freeVariables, sameName } = require('./expressions.cjs');
const proof = require('./proof.cjs');

const DECL = { id: 1, name: 2, type: 3, value: 4 };        // LocalDecl; a `let` has a value
const BRACKETS = ['()', '{}', '⦃⦄', '[]'];                 // by BinderInfo
const HAVE = new Set(['Lean.Parser.Tactic.tacticHave__', 'Lean.Parser.Tactic.tacticHaveI__', 'Lean.Parser.Tactic.tacticSuffices_', 'Lean.Parser.Tactic.replace']);

// Printing, from what reads well to what is surely read as it was meant.
const SHORT = { 'pp.deepTerms': true, 'pp.proofs': true, 'pp.oneline': false, 'pp.fieldNotation.generalized': true };
const ANALYSED = { ...SHORT, 'pp.analyze': true };
const TYPED = { ...SHORT, 'pp.fieldNotation.generalized': false, 'pp.numericTypes': true, 'pp.coercions.types': true, 'pp.fullNames': true, 'pp.funBinderTypes': true, 'pp.structureInstanceTypes': true };
const WHOLE = { ...TYPED, 'pp.explicit': true, 'pp.universes': true, 'pp.notation': false, 'pp.coercions': false, 'pp.numericTypes': false, 'pp.structureInstances': false };
const STYLES = [SHORT, ANALYSED, TYPED, WHOLE];

class Unstatable extends Error {} // why a goal cannot be a lemma

const isScoped = name => (abi.call('l_Lean_Name_hasMacroScopes___boxed', abi.inc(name)) >>> 1 & 1) === 1;
/** A variable's name as a user could have written it. */
function plainName(name) {
  const erased = isScoped(name) ? abi.call('lean_erase_macro_scopes', abi.inc(name)) : abi.inc(name), text = abi.nameText(erased);
  abi.dec(erased);
  return /^[\p{L}_][\p{L}\p{N}_'!?₀-₉]*$/u.test(text) && text !== '_' ? text : /^«[^«»]*»$/.test(text) && !isScoped(name) ? text : 'x';
}

/**
 * The variables and hypotheses of a goal by names that are all different: [{ id (key), name, hidden (it has no name of its own
 * where the goal stands), decl (borrowed) }].
 */
function named(decls) {
  const last = new Map(decls.map((d, n) => [abi.nameKey(abi.field(d, DECL.name)), n]));
  const hidden = decls.map((d, n) => isScoped(abi.field(d, DECL.name)) || last.get(abi.nameKey(abi.field(d, DECL.name))) !== n);
  const taken = new Set(decls.filter((_, n) => !hidden[n]).map(d => plainName(abi.field(d, DECL.name))));
  return decls.map((decl, n) => {
    const plain = plainName(abi.field(decl, DECL.name));
    let name = plain;
    if (hidden[n]) for (let k = 1; taken.has(name); k++) name = plain.endsWith('»') ? `x_${k}` : `${plain}_${k}`;
    taken.add(name);
    return { id: abi.nameKey(abi.field(decl, DECL.id)), name, hidden: hidden[n], decl };
  });
}

/**
 * The first goal of a proof state (borrowed) as a lemma. `steps`: keys of variables that the proof's own `have`s brought;
 * `declared`: universes (Names, borrowed) that the text has declared, so that the lemma must not.
 * Returns { universes: [name], binders: [{ name, type, brackets, value (of a `let`, else null), hidden, step, uses: [numbers of binders
 * that its type or value speaks of] }], target, needs: [numbers of binders that the target speaks of] }, or { problem }.
 */
function subgoal(state, steps, declared) {
  const held = [], own = o => { held.push(o); return o; };
  try { return stated(state, steps, declared, own); } catch (error) {
    if (error instanceof Unstatable) return { problem: error.message };
    throw error;
  } finally { held.forEach(abi.dec); }
}

function stated(state, steps, declared, own) {
  const { mctx, decl } = proof.mainGoal(state);
  own(decl);
  const instantiate = e => own(proof.instantiated(mctx, abi.inc(e)));
  const target = instantiate(abi.field(decl, 2));
  const locals = named(proof.locals(abi.field(decl, 1)));
  const number = new Map(locals.map(({ id }, n) => [id, n])), numbers = e => [...freeVariables([e])].map(id => {
    if (!number.has(id)) throw new Unstatable('it speaks of the theorem that is being proved');
    return number.get(id);
  }).sort((a, b) => a - b);
  for (const local of locals) {
    local.type = instantiate(abi.field(local.decl, DECL.type));
    local.value = abi.tag(local.decl) === 1 && abi.scalar(local.decl, 0) === 0 ? instantiate(abi.field(local.decl, DECL.value)) : null;      // no `have`
    local.uses = [...new Set([local.type, local.value].filter(e => e !== null).flatMap(numbers))];
    local.brackets = BRACKETS[abi.tag(local.decl) === 0 ? abi.scalar(local.decl, 0) : 0];
  }
  const needs = numbers(target), expressions = [target, ...locals.flatMap(l => [l.type, l.value].filter(e => e !== null))];
  if (expressions.some(e => abi.W.lean_expr_has_expr_mvar(abi.inc(e)) & 1)) throw new Unstatable('it has a part that Lean has yet to find (a metavariable)');
  if (expressions.some(e => abi.call('l_Lean_Expr_hasLevelMVar___boxed', abi.inc(e)) >>> 1 & 1)) throw new Unstatable('it has a universe that Lean has yet to find');
  if (expressions.some(e => abi.W.l_Lean_Expr_hasSorry(e) & 1)) throw new Unstatable('it speaks of what is left open elsewhere');
  const lctx = own(contextOf(locals)), universes = levelsOf(expressions);
  for (const style of STYLES) {
    const print = e => proof.printed(state, lctx, e, style);
    const binders = locals.map(({ name, type, value, brackets, hidden, id, uses }) => ({ name, type: print(type), brackets, value: value && print(value), hidden, step: steps.has(id), uses }));
    const found = { universes: universes.filter(u => !declared.some(d => sameName(d, u))).map(abi.nameText), binders, target: print(target), needs };
    if (states(state, lctx, locals, target, universes, text(found), own)) return found;
  }
  throw new Unstatable('Lean does not read it as it prints it');
}

/** A local context (owned) of variables with their new names and without metavariables. */
function contextOf(locals) {
  return locals.reduce((lctx, { decl, name, type, value }) => {
    const parts = [abi.inc(abi.field(decl, DECL.id)), abi.parseName(name), abi.inc(type)];
    return value === null ? abi.call('l_Lean_LocalContext_mkLocalDecl___boxed', lctx, ...parts, abi.box(abi.tag(decl) === 0 ? abi.scalar(decl, 0) : 0), abi.box(0))
      : abi.call('l_Lean_LocalContext_mkLetDecl___boxed', lctx, ...parts, abi.inc(value), abi.box(0), abi.box(0));
  }, abi.inc(abi.constant('l_Lean_LocalContext_empty')));
}

/** Universe parameters of some expressions (borrowed): Names, borrowed from an object that is kept. */
function levelsOf(expressions) {
  let used = abi.inc(abi.constant('l_Lean_CollectLevelParams_instInhabitedState'));
  for (const e of expressions) used = abi.W.l_Lean_collectLevelParams(used, abi.inc(e));
  return abi.arrayItems(abi.field(used, 2));
}

const text = ({ binders, target }) => [...binders.map(({ name, type, brackets: [open, close], value }) =>
  value === null ? `∀ ${open}${name} : ${type}${close}, ` : `let ${name} : ${type} := ${value}; `), target].join('');

/** Is a text the goal again: does what it states prove the goal, as Lean sees without any proof? */
function states(state, lctx, locals, target, universes, statement, own) {
  const facts = abi.array(locals.map(l => abi.W.l_Lean_mkFVar(abi.inc(abi.field(l.decl, DECL.id)))));
  const closed = own(abi.W.l_Lean_LocalContext_mkForall___boxed(abi.inc(lctx), facts, abi.inc(target), abi.box(0), abi.box(1)));
  const goal = proof.about(state, closed, universes);
  const { next, messages } = proof.tactic(goal, `have subgoal✝ : ${statement} := sorry\nexact @subgoal✝`.replaceAll('subgoal✝', LEMMA), 0);
  proof.free(goal);
  const read = next !== null && abi.isNil(next.goals) && !messages.some(m => m.severity === 'error');
  if (next) proof.free(next);
  return read;
}
const LEMMA = '_subgoal_';

module.exports = { subgoal, HAVE };
