'use strict';
/**
 * Goals from Lean's info trees: `context` (tag 0: partial context, tree), `node` (tag 1: info, children), `hole` (tag 2).
 * Info 0 is a TacticInfo: (elabInfo (elaborator, syntax), mctx before, goals before, mctx after, goals after);
 * info 1 is a TermInfo: (elabInfo, lctx, expected type?, expr, …). Which nodes count follows the community REPL.
 */

const abi = require('./abi.cjs');
const syntax = require('./syntax.cjs');

const WIDTH = 120;                // columns, Lean's own default
const TACTIC = 0, TERM = 1;
const MCTX = 3, CONTEXT = 0;      // CommandContextInfo.mctx; ContextInfo.toCommandContextInfo
const STRUCTURE = new Set(['null', 'Lean.cdot', 'Lean.cdotTk', 'Lean.Parser.Term.byTactic', 'Lean.Parser.Tactic.tacticSeq',
  'Lean.Parser.Tactic.tacticSeq1Indented', 'Lean.Parser.Tactic.tactic_<;>_', 'Lean.Parser.Tactic.paren']);
const SORRY = { tactic: 'Lean.Parser.Tactic.tacticSorry', term: 'Lean.Parser.Term.sorry' };

/** Calls `visit(info, context)` on every node below a context; borrowed. A true answer leaves out the node's children. */
function eachInfo(tree, context, visit) {
  const { W } = abi, tag = abi.tag(tree);
  if (tag === 0) {
    const outer = context ? abi.some(abi.inc(context)) : abi.nil;
    const merged = abi.option(W.l_Lean_Elab_PartialContextInfo_mergeIntoOuter_x3f(abi.inc(abi.field(tree, 0)), outer));
    eachInfo(abi.field(tree, 1), merged, visit);
    if (merged) abi.dec(merged);
  } else if (tag === 1) {
    if (context && visit(abi.field(tree, 0), context)) return;
    for (const child of abi.persistentItems(abi.field(tree, 1))) eachInfo(child, context, visit);
  }
}

/** The context with another metavariable context (borrowed); owned. */
const withMctx = (context, mctx) => abi.withField(abi.inc(context), CONTEXT, abi.withField(abi.inc(abi.field(context, CONTEXT)), MCTX, abi.inc(mctx)));
const pretty = format => abi.takeText(abi.W.l_Std_Format_pretty(format, abi.box(WIDTH), abi.box(0), abi.box(0))).trim();

/** Goals (a borrowed list) in a metavariable context (borrowed) as Lean prints them, one text each. */
function printGoals(context, mctx, goals) {
  const owned = withMctx(context, mctx);
  const texts = abi.listItems(goals).map(g => pretty(abi.io(abi.W.l_Lean_Elab_ContextInfo_ppGoals(abi.inc(owned), abi.list([abi.inc(g)])), 'goal')));
  abi.dec(owned);
  return texts;
}

/** A new goal of a type in a local context, printed: what a term `sorry` stands for. */
function printType(context, lctx, type) {
  const { W } = abi;
  let printed = '';
  const body = abi.closure(5, (mctx, mst, cctx, cst) => {
    const goal = abi.io(W.l_Lean_Meta_mkFreshExprMVar(abi.some(abi.inc(type)), 0, abi.nil, abi.inc(mctx), mst, cctx, cst), 'goal');
    const id = W.l_Lean_Expr_mvarId_x21(goal);
    abi.dec(goal);
    printed = pretty(abi.io(W.l_Lean_Meta_ppGoal(id, abi.inc(mctx), abi.inc(mst), abi.inc(cctx), abi.inc(cst)), 'goal'));
    [mctx, mst, cctx, cst].forEach(abi.dec);
    return abi.ok(abi.nil);
  });
  abi.dec(abi.io(W.l_Lean_Elab_ContextInfo_runMetaM___redArg(abi.inc(context), abi.inc(lctx), body), 'goal'));
  return printed;
}

const infoSyntax = elaborated => abi.field(abi.field(elaborated, 0), 1);
const isOriginal = stx => { let original = false; syntax.eachToken(stx, t => { original = syntax.tokenSpan(t) !== null; return true; }); return original; };
const place = (span, text) => ({ pos: text.position(span[0]), endPos: text.position(span[1]) });

/** Every tactic that was run and stands in the source: text, place, goals before and after. */
function tactics(tree, text, into) {
  eachInfo(tree, null, (info, context) => {
    if (abi.tag(info) !== TACTIC) return false;
    const run = abi.field(info, 0), stx = infoSyntax(run);
    if (!syntax.isNode(stx) || STRUCTURE.has(syntax.kind(stx)) || !isOriginal(stx)) return false;
    const span = syntax.span(stx);
    into.push({
      tactic: text.slice(...span), goals: printGoals(context, abi.field(run, 1), abi.field(run, 2)).join('\n\n'),
      goalsAfter: printGoals(context, abi.field(run, 3), abi.field(run, 4)).join('\n\n'), ...place(span, text),
    });
    return false;
  });
}

/** Every `sorry` in the source: its goal and place; the tactic ones first, then the terms. */
function sorries(trees, text, into) {
  const terms = [];
  for (const tree of trees) {
    eachInfo(tree, null, (info, context) => {
      const tag = abi.tag(info);
      if (tag !== TACTIC && tag !== TERM) return false;
      const elaborated = abi.field(info, 0), stx = infoSyntax(elaborated), kind = syntax.kind(stx);
      if (tag === TACTIC && kind === SORRY.tactic) {
        const goals = abi.field(elaborated, 2), span = syntax.span(stx);
        if (!abi.isNil(goals) && span) into.push({ goal: printGoals(context, abi.field(elaborated, 1), abi.list([abi.inc(abi.field(goals, 0))]))[0], ...place(span, text) });
        return true;
      }
      if (tag === TERM && kind === SORRY.term) {
        const type = abi.field(elaborated, 2), span = syntax.span(stx);
        if (!abi.isNil(type) && span) terms.push({ goal: printType(context, abi.field(elaborated, 1), abi.field(type, 0)), ...place(span, text) });
      }
      return false;
    });
  }
  into.push(...terms);
}

module.exports = { tactics, sorries };
