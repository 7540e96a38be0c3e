'use strict';
/**
 * Tactics, goals and `sorry`s read from Lean's info trees. A tree is `context` (tag 0: partial context, tree), `node` (tag 1: info, children), `hole` (tag 2).
 * Info 0 is a TacticInfo: (elabInfo (elaborator, syntax), mctx before, goals before, mctx after, goals after);
 * info 1 is a TermInfo: (elabInfo, lctx, expected type?, expr, …). Which nodes count follows the community REPL.
 */

const abi = require('./abi.cjs');
const proof = require('./proof.cjs');
const syntax = require('./syntax.cjs');

const WIDTH = 120;                // columns, Lean's own default
const TACTIC = 0, TERM = 1;
const MCTX = 3, CONTEXT = 0;      // CommandContextInfo.mctx; ContextInfo.toCommandContextInfo
const STRUCTURE = new Set(['null', 'Lean.cdot', 'Lean.cdotTk', 'Lean.Parser.Term.byTactic', 'Lean.Parser.Tactic.tacticSeq',
  'Lean.Parser.Tactic.tacticSeq1Indented', 'Lean.Parser.Tactic.tactic_<;>_', 'Lean.Parser.Tactic.paren']);
const SORRY = { tactic: 'Lean.Parser.Tactic.tacticSorry', term: 'Lean.Parser.Term.sorry' };

/**
 * Calls `visit(info, context, outermost)` on every node below a context; borrowed. `outermost`: the info of the first tactic
 * on the way to the node, or null. A true answer leaves out the node's children.
 */
function eachInfo(tree, context, visit, outermost = null) {
  const { W } = abi, tag = abi.tag(tree);
  if (tag === 0) {
    const outer = context ? abi.some(abi.inc(context)) : abi.nil;
    const merged = abi.option(W.l_Lean_Elab_PartialContextInfo_mergeIntoOuter_x3f(abi.inc(abi.field(tree, 0)), outer));
    eachInfo(abi.field(tree, 1), merged, visit, outermost);
    if (merged) abi.dec(merged);
  } else if (tag === 1) {
    const info = abi.field(tree, 0);
    if (context && abi.tag(info) === TACTIC) outermost ??= abi.field(info, 0);
    if (context && visit(info, context, outermost)) return;
    for (const child of abi.persistentItems(abi.field(tree, 1))) eachInfo(child, context, visit, outermost);
  }
}

/** Goals (a borrowed list) in a metavariable context (borrowed) as Lean prints them, one after the other, or "no goals". */
function printGoals(context, mctx, goals) {
  const within = abi.withField(abi.inc(context), CONTEXT, abi.withField(abi.inc(abi.field(context, CONTEXT)), MCTX, abi.inc(mctx)));
  const format = abi.io(abi.W.l_Lean_Elab_ContextInfo_ppGoals(within, abi.inc(goals)), 'goals');
  return abi.takeText(abi.W.l_Std_Format_pretty(format, abi.box(WIDTH), abi.box(0), abi.box(0))).trim();
}

const infoSyntax = elaborated => abi.field(abi.field(elaborated, 0), 1);

/** Does a tree's first token stand in the source? (A macro's expansion has synthetic places, those of the macro.) */
function isOriginal(stx) {
  const info = abi.W.l_Lean_Syntax_getHeadInfo(stx), original = !abi.isScalar(info) && abi.tag(info) === 0;
  abi.dec(info);
  return original;
}

/** [start, end) in bytes as Lean reports it: synthetic places count, and what has no place is at 0. */
function placed(stx) {
  const at = option => { const n = abi.option(option); return n === null ? null : abi.unbox(n); };
  const start = at(abi.W.l_Lean_Syntax_getPos_x3f(stx, 0)) ?? 0;
  return [start, at(abi.W.l_Lean_Syntax_getTailPos_x3f(stx, 0)) ?? start];
}
const place = ([start, end], text) => ({ pos: text.position(start), endPos: text.position(end) });

/**
 * Names of the constants in the terms that goals (a borrowed list) were given, and in those of the goals these left, in
 * the order of Lean's own name sets.
 */
function usedConstants(mctx, goals) {
  const { W } = abi, names = new Map(), seen = new Set();       // by address: all of it lives as long as mctx
  const todo = abi.listItems(goals), held = [];
  while (todo.length) {
    const goal = todo.pop();
    if (seen.has(goal)) continue;
    seen.add(goal);
    const term = abi.option(W.l_Lean_MetavarContext_getExprAssignmentCore_x3f(abi.inc(mctx), goal));
    if (term === null) continue;
    const used = W.l_Lean_Expr_getUsedConstants(abi.inc(term));
    for (const name of abi.arrayItems(used)) if (!names.has(name)) names.set(name, abi.nameText(name));
    const found = W.l_Lean_Expr_collectMVars(abi.inc(abi.constant('l_Lean_CollectMVars_instInhabitedState')), term);
    todo.push(...abi.arrayItems(abi.field(found, 1)));
    held.push(used, found);
  }
  const sorted = [...names].sort(([a], [b]) => (W.l_Lean_Name_quickCmp(a, b) & 0xFF) - 1);     // Ordering: lt 0, eq 1, gt 2
  held.forEach(abi.dec);
  return [...new Set(sorted.map(([, text]) => text))];
}

/**
 * Every tactic that was run and stands in the source: text, place, goals before and after, constants it used; and, if
 * `env` (borrowed, the environment before the declaration) is given, the proof state before it (see proof.cjs; owned).
 * `remember(info, read)` gives what is told of an info (borrowed): what `read` says, or what it said of it in an earlier run.
 */
function tactics(tree, text, env, remember, into) {
  eachInfo(tree, null, (info, context, outermost) => {
    if (abi.tag(info) !== TACTIC) return false;
    const run = abi.field(info, 0), stx = infoSyntax(run);
    if (!syntax.isNode(stx) || STRUCTURE.has(syntax.kind(stx)) || !isOriginal(stx)) return false;
    const [before, goals, after, goalsAfter] = [1, 2, 3, 4].map(i => abi.field(run, i)), span = placed(stx);
    into.push({
      ...remember(run, () => ({
        tactic: text.slice(...span), goals: printGoals(context, before, goals), goalsAfter: printGoals(context, after, goalsAfter),
        ...place(span, text), usedConstants: usedConstants(after, goals),
      })),
      ...(env && { state: proof.create(context, env, { mctx: before, goals, roots: abi.field(outermost, 2) }) }),
    });
    return false;
  });
}

/**
 * Every `sorry` that was run, written or from a macro, as the proof state (owned) that it leaves and its place; the tactics
 * first, then the terms. `env`: the environment before the declaration; `context`: where the tree has none of its own;
 * `roots`: goals that the proof began with, if it did not begin here (all borrowed).
 */
function sorries(tree, text, env, into, context = null, roots = undefined) {
  const terms = [];
  eachInfo(tree, context, (info, context) => {
    const tag = abi.tag(info);
    if (tag !== TACTIC && tag !== TERM) return false;
    const elaborated = abi.field(info, 0), stx = infoSyntax(elaborated), kind = syntax.kind(stx);
    if (tag === TACTIC && kind === SORRY.tactic) {
      const goals = abi.field(elaborated, 2);
      if (!abi.isNil(goals)) {
        const first = abi.list([abi.inc(abi.field(goals, 0))]);
        into.push({ state: proof.create(context, env, { mctx: abi.field(elaborated, 1), goals: first, roots }), ...place(placed(stx), text) });
        abi.dec(first);
      }
      return true;                 // it is a macro for a term `sorry`, which is no second one
    }
    if (tag === TERM && kind === SORRY.term) {
      const type = abi.field(elaborated, 2);
      if (!abi.isNil(type)) {
        const state = proof.create(context, env, { lctx: abi.field(elaborated, 1), type: abi.field(type, 0), roots });
        terms.push({ state, ...place(placed(stx), text) });
      }
    }
    return false;
  });
  into.push(...terms);
}

/** Keys of the variables that tactics of some kinds brought to their first goal. */
function brought(tree, kinds, into) {
  const ids = (mctx, goals) => {
    if (abi.isNil(goals)) return [];
    const decl = abi.option(abi.W.l_Lean_MetavarContext_findDecl_x3f(abi.inc(mctx), abi.field(goals, 0)));
    const found = decl === null ? [] : proof.locals(abi.field(decl, 1)).map(d => abi.nameKey(abi.field(d, 1)));
    if (decl !== null) abi.dec(decl);
    return found;
  };
  eachInfo(tree, null, info => {
    if (abi.tag(info) !== TACTIC) return false;
    const run = abi.field(info, 0), stx = infoSyntax(run);
    if (!syntax.isNode(stx) || !kinds.has(syntax.kind(stx))) return false;
    const [before, goals, after, goalsAfter] = [1, 2, 3, 4].map(i => abi.field(run, i)), known = new Set(ids(before, goals));
    for (const id of ids(after, goalsAfter)) if (!known.has(id)) into.add(id);
    return false;
  });
}

/** The proof state (owned) at the start of each outermost tactic block, as if a `sorry` stood there. */
function rootGoals(tree, text, env, into) {
  eachInfo(tree, null, (info, context) => {
    if (abi.tag(info) !== TACTIC) return false;
    const run = abi.field(info, 0), [start] = placed(infoSyntax(run));
    into.push({ state: proof.create(context, env, { mctx: abi.field(run, 1), goals: abi.field(run, 2) }), ...place([start, start], text) });
    return true;
  });
}

/** A proof state (owned) whose goal is the type that is written at a span (bytes), or null where none was elaborated there. */
function asGoal(trees, span, env) {
  let state = null;
  for (const tree of trees) eachInfo(tree, null, (info, context) => {
    const elaborated = abi.field(info, 0);
    if (state || abi.tag(info) !== TERM || placed(infoSyntax(elaborated)).join() !== span.join()) return false;
    state = proof.create(context, env, { lctx: abi.field(elaborated, 1), type: abi.field(elaborated, 3) });
    return true;
  });
  return state;
}

module.exports = { asGoal, brought, tactics, sorries, rootGoals };
