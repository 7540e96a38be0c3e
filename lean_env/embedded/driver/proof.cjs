'use strict';
/**
 * Tactic mode: proof states that are kept between requests, and tactics that are run on them outside of their declaration.
 *
 * A proof state holds what Lean's TacticM needs, all parts owned: the contexts and states of CoreM, MetaM and TermElabM,
 * the list of goals, and `roots`, the goals that it began with. It is never changed: a tactic gives a new one.
 */

const { Buffer } = require('buffer');
const abi = require('./abi.cjs');
const guard = require('./guard.cjs');
const { drain, exceptionText } = require('./messages.cjs');
const places = require('./text.cjs');
const syntax = require('./syntax.cjs');

const WIDTH = 120;                // columns of a printed goal, Lean's own default
const CORE = { fileMap: 1, options: 2, namespace: 6, openDecls: 7, heartbeats: 8, cancelToken: 12 };     // Core.Context
const STATE = { env: 0, names: 2, traces: 4, messages: 6, infoState: 7 };                                // Core.State
const INFO = { env: 0, mctx: 3 };                                                            // CommandContextInfo
const DECL = { lctx: 1, type: 2 };                                                                       // MetavarDecl
const META_LCTX = 2;              // of Meta.Context
const AUXILIARY = 2;              // LocalDeclKind of the theorem itself in its own proof

const PARTS = ['core', 'coreState', 'meta', 'metaState', 'term', 'termState', 'goals', 'roots'];
const free = state => PARTS.forEach(part => abi.dec(state[part]));

// ---- the parts that are the same for all: made once ----
let fresh = null;
/** Term.Context and Term.State as a declaration's elaborator has them, the context of TacticM, an empty InfoState. */
function freshParts(env) {
  if (fresh) return fresh;
  const found = {};
  inTermElabM(env, ({ term, termState, command }) => {
    found.term = abi.inc(term);
    found.termState = abi.refGet(termState);
    found.info = abi.inc(abi.field(command, COMMAND_INFO));
  });
  found.tactic = abi.ctor(0, [abi.nil], [1]);       // elaborator: none; recover: true
  return fresh = found;
}
const COMMAND_INFO = 8;

/** Run `action` as a command in an environment (borrowed) would run its elaborator, on contexts and references to states (all borrowed). */
function inTermElabM(env, action) {
  const { W } = abi;
  const log = abi.inc(abi.constant('l_Lean_MessageLog_empty')), options = abi.inc(abi.constant('l_Lean_Options_empty'));
  const command = W.l_Lean_Elab_Command_mkState(abi.inc(env), log, options), ref = abi.ref(abi.inc(command));
  const input = W.l_Lean_Parser_mkInputContext___redArg(abi.string(''), abi.string('<input>'), 1, abi.box(0));
  const context = abi.ctor(0, [abi.inc(abi.field(input, 1)), abi.inc(abi.field(input, 2)), abi.box(0), abi.box(0), abi.nil, abi.nil,
    abi.inc(abi.constant('l_Lean_firstFrontendMacroScope')), abi.nil, abi.nil, abi.nil], [0]);
  const body = abi.closure(7, (...given) => {
    const [term, termState, meta, metaState, core, coreState] = given;
    action({ term, termState, meta, metaState, core, coreState, command });
    given.slice(0, 6).forEach(abi.dec);
    return abi.ok(abi.nil);
  });
  abi.dec(abi.io(W.l_Lean_Elab_Command_liftTermElabM___redArg(body, context, ref), 'the elaborator'));
  [ref, input, command].forEach(abi.dec);
}

// ---- making, reading ----
/**
 * A new proof state, owned, from a ContextInfo (borrowed) in an environment (borrowed: the one before the declaration, in
 * which it cannot prove itself). Either `goals` (a list in `mctx`), or one new goal of `type` in `lctx`; `roots` if the
 * proof began with other goals than these (all borrowed).
 */
function create(context, env, { mctx, goals, lctx, type, roots }) {
  const { W } = abi, parts = freshParts(env);
  let command = abi.withField(abi.inc(abi.field(context, 0)), INFO.env, abi.inc(env));
  if (mctx) command = abi.withField(command, INFO.mctx, abi.inc(mctx));
  const state = {};
  const body = abi.closure(5, (meta, metaState, core, coreState) => {
    let open = goals && abi.inc(goals);
    if (!open) {
      const goal = abi.io(W.l_Lean_Meta_mkFreshExprMVar(abi.some(abi.inc(type)), 0, abi.nil, abi.inc(meta), metaState, core, coreState), 'goal');
      open = abi.list([W.l_Lean_Expr_mvarId_x21(goal)]);
      abi.dec(goal);
    }
    Object.assign(state, { core: abi.inc(core), coreState: abi.refGet(coreState), meta: abi.inc(meta), metaState: abi.refGet(metaState),
      term: abi.inc(parts.term), termState: abi.inc(parts.termState), goals: open, roots: abi.inc(roots ?? open) });
    [meta, metaState, core, coreState].forEach(abi.dec);
    return abi.ok(abi.nil);
  });
  const info = abi.withField(abi.inc(context), 0, command);
  abi.dec(abi.io(W.l_Lean_Elab_ContextInfo_runMetaM___redArg(info, lctx ? abi.inc(lctx) : abi.inc(abi.constant('l_Lean_LocalContext_empty')), body), 'proof state'));
  return state;
}

/**
 * Run `action` on references to a proof state's parts (all borrowed); its result with the state that it leaves, owned.
 * `token`: a cancel token (borrowed), or 0. `fileMap`: of the text that the tactics stand in (borrowed), or 0.
 */
function run(state, action, token = 0, fileMap = 0) {
  const [coreState, metaState, termState, goals] = [state.coreState, state.metaState, state.termState, state.goals].map(x => abi.ref(abi.inc(x)));
  // Heartbeats are counted from here on: the limit is each tactic's own.
  let core = abi.withField(abi.inc(state.core), CORE.heartbeats, abi.W.lean_io_get_num_heartbeats());
  core = abi.withField(core, CORE.cancelToken, token ? abi.some(abi.inc(token)) : abi.nil);
  if (fileMap) core = abi.withField(core, CORE.fileMap, abi.inc(fileMap));
  const result = action({ core, coreState, meta: state.meta, metaState, term: state.term, termState, goals });
  const next = { core: abi.inc(state.core), coreState: abi.refGet(coreState), meta: abi.inc(state.meta), metaState: abi.refGet(metaState),
    term: abi.inc(state.term), termState: abi.refGet(termState), goals: abi.refGet(goals), roots: abi.inc(state.roots) };
  [core, coreState, metaState, termState, goals].forEach(abi.dec);
  return { result, next };
}

/** The goals as Lean prints them. */
function goals(state) {
  const { result, next } = run(state, at => abi.listItems(state.goals).map(goal => {
    const format = abi.io(abi.W.l_Lean_Meta_ppGoal(goal, abi.inc(at.meta), abi.inc(at.metaState), abi.inc(at.core), abi.inc(at.coreState)), 'goal');
    return abi.takeText(abi.W.l_Std_Format_pretty(format, abi.box(WIDTH), abi.box(0), abi.box(0))).trim();
  }));
  free(next);
  return result;
}

/** An expression (borrowed) as Lean prints it in a local context (borrowed), with options (name → true or false) besides the text's. */
function printed(state, lctx, expression, options = {}) {
  const meta = abi.withField(abi.inc(state.meta), META.lctx, abi.inc(lctx));
  const core = abi.withField(abi.inc(state.core), CORE.options, abi.withOptions(abi.inc(abi.field(state.core, CORE.options)), options));
  const { result, next } = run({ ...state, meta, core }, at => {
    const format = abi.io(abi.call('l_Lean_Meta_ppExpr___boxed', abi.inc(expression), abi.inc(at.meta), abi.inc(at.metaState), abi.inc(at.core), abi.inc(at.coreState)), 'term');
    return abi.takeText(abi.W.l_Std_Format_pretty(format, abi.box(LONG), abi.box(0), abi.box(0))).trim();
  });
  [meta, core].forEach(abi.dec);
  free(next);
  return result;
}
const META = { lctx: 2, instances: 3 };         // Meta.Context
const LEVEL_NAMES = 0;            // of Term.State

/** A proof state (owned) with one goal, a closed type (borrowed) in which universe parameters (Names, borrowed) may stand, where another one is (borrowed). */
function about(state, type, universes) {
  const empty = abi.withField(abi.withField(abi.inc(state.meta), META.lctx, abi.inc(abi.constant('l_Lean_LocalContext_empty'))), META.instances, abi.array([]));
  const termState = abi.withField(abi.inc(state.termState), LEVEL_NAMES, abi.list(universes.map(u => abi.inc(u))));
  // Names of its own: those that the other state's contexts know must not come again.
  const coreState = abi.withField(abi.inc(state.coreState), STATE.names, abi.ctor(0, [abi.parseName('_about'), abi.box(1)]));
  const { result: goal, next } = run({ ...state, meta: empty, termState, coreState }, at => abi.io(abi.W.l_Lean_Meta_mkFreshExprMVar(abi.some(abi.inc(type)), 0, abi.nil,
    abi.inc(at.meta), at.metaState, abi.inc(at.core), at.coreState), 'goal'));
  const goals = abi.list([abi.W.l_Lean_Expr_mvarId_x21(goal)]);
  [goal, empty, termState, coreState, next.goals, next.roots].forEach(abi.dec);
  return { ...next, goals, roots: abi.inc(goals) };
}
const LONG = 10_000;              // columns: all in one line

/** The first goal: { mctx (borrowed), decl (owned) }. */
function mainGoal(state) {
  const mctx = abi.field(state.metaState, 0);
  return { mctx, decl: abi.option(abi.W.l_Lean_MetavarContext_findDecl_x3f(abi.inc(mctx), abi.field(state.goals, 0))) };
}
/** The namespace and the open declarations (both borrowed) where a proof stands. */
const scope = state => [abi.field(state.core, CORE.namespace), abi.field(state.core, CORE.openDecls)];

/**
 * How far the proof is, in the community REPL's words; what is called completed has been accepted by the kernel. Whether
 * it is a proof of the theorem that somebody asked for is not seen here: only a check of the whole text tells.
 */
function status(state, token = 0) {
  if (!abi.isNil(state.goals)) return 'Incomplete: open goals remain';
  const roots = abi.listItems(state.roots);
  return roots.length === 1 ? rootStatus(state, roots[0], token) : 'Not verified: more than one initial goal';
}

function rootStatus(state, root, token) {
  const { W } = abi, mctx = abi.field(state.metaState, 0), held = [];
  const own = o => { held.push(o); return o; };
  const instantiate = term => own(instantiated(mctx, term));
  try {
    const assigned = abi.option(W.l_Lean_MetavarContext_getExprAssignmentCore_x3f(abi.inc(mctx), root));
    if (assigned === null) return 'Error: Goal not assigned';
    const decl = own(abi.option(W.l_Lean_MetavarContext_findDecl_x3f(abi.inc(mctx), root)));
    const lctx = abi.field(decl, DECL.lctx), proof = instantiate(assigned), type = instantiate(abi.inc(abi.field(decl, DECL.type)));
    if (W.lean_expr_has_expr_mvar(abi.inc(proof)) & 1) return 'Incomplete: contains metavariable(s)';
    const variables = own(abi.array(localVariables(lctx)));
    const bound = (bind, body) => own(bind(abi.inc(lctx), abi.inc(variables), abi.inc(body), abi.box(0), abi.box(1)));    // `let`s stay, used or not
    const value = bound(W.l_Lean_LocalContext_mkLambda___boxed, proof), statement = bound(W.l_Lean_LocalContext_mkForall___boxed, type);
    if (W.l_Lean_Expr_hasFVar(value) & 1) return "Error: kernel type check failed: (kernel) declaration has free variables '[anonymous]'";    // itself
    const refused = kernelRefuses(abi.field(state.coreState, STATE.env), statement, value, token);
    if (refused) return `Error: kernel type check failed: ${refused}`;
    return W.l_Lean_Expr_hasSorry(value) & 1 ? 'Incomplete: contains sorry' : 'Completed';
  } finally { held.forEach(abi.dec); }
}

/** An expression (owned) with what a metavariable context (borrowed) assigns to its metavariables; owned. */
function instantiated(mctx, expression) {
  const pair = abi.W.l_Lean_instantiateMVarsCore(abi.inc(mctx), expression), value = abi.inc(abi.field(pair, 0));
  abi.dec(pair);
  return value;
}

/** Is the type (borrowed) in MetaM's contexts and states (all borrowed) a proposition? */
function isProp(type, { meta, metaState, core, coreState }) {
  const result = abi.call('l_Lean_Meta_isProp', ...[type, meta, metaState, core, coreState].map(x => abi.inc(x)));
  const known = abi.tag(result) === 0 && abi.unbox(abi.field(result, 0)) === 1;
  abi.dec(result);
  return known;
}

/** Is the first goal of a proof state (borrowed) a proposition, so that what it wants is a proof? */
function isOfProposition(state) {
  if (abi.isNil(state.goals)) return false;
  const decl = abi.option(abi.W.l_Lean_MetavarContext_findDecl_x3f(abi.inc(abi.field(state.metaState, 0)), abi.inc(abi.field(state.goals, 0))));
  if (decl === null) return false;
  const type = abi.field(decl, DECL.type), lctx = abi.field(decl, DECL.lctx);
  const meta = abi.withField(abi.inc(state.meta), META_LCTX, abi.inc(lctx));
  const { result, next } = run({ ...state, meta }, at => isProp(type, at));
  [decl, meta].forEach(abi.dec);
  free(next);
  return result;
}

/** Is a closed type (borrowed) of an environment (borrowed) a proposition? */
function isProposition(env, type) {
  let known = false;
  inTermElabM(env, at => { known = isProp(type, at); });
  return known;
}

/** Declarations (borrowed) of a local context, without the theorem itself. */
function locals(lctx) {
  const decls = abi.persistentItems(abi.field(lctx, 1)).filter(x => !abi.isNil(x)).map(x => abi.field(x, 0));
  return decls.filter(d => abi.tag(d) !== 0 || abi.scalar(d, 1) !== AUXILIARY);
}
/** Its free variables (expressions, owned). */
const localVariables = lctx => locals(lctx).map(d => abi.W.l_Lean_mkFVar(abi.inc(abi.field(d, ID))));
const ID = 1;                     // field of a local declaration

/** What the kernel has against a proof (text), or null; `token`: a cancel token (borrowed), or 0. */
function kernelRefuses(env, statement, value, token) {
  const { W } = abi, NAME = '_proof';
  const used = W.l_Lean_collectLevelParams(W.l_Lean_collectLevelParams(abi.inc(abi.constant('l_Lean_CollectLevelParams_instInhabitedState')), abi.inc(statement)), abi.inc(value));
  const levels = abi.list(abi.arrayItems(abi.field(used, 2)).map(x => abi.inc(x)));
  abi.dec(used);
  const constant = abi.ctor(0, [abi.parseName(NAME), levels, abi.inc(statement)]);
  const opaque = abi.ctor(3, [abi.ctor(0, [constant, abi.inc(value), abi.list([abi.parseName(NAME)])], [0])]);    // a value of any type, data too
  const kernel = W.lean_elab_environment_to_kernel_env(abi.inc(env)), cancel = token ? abi.some(abi.inc(token)) : abi.nil;
  const result = W.lean_add_decl(kernel, 0, opaque, cancel);
  [opaque, cancel].forEach(abi.dec);
  let said = null;
  if (abi.tag(result) === 0) {
    const data = W.l_Lean_Kernel_Exception_toMessageData(abi.inc(abi.field(result, 0)), abi.inc(abi.constant('l_Lean_Options_empty')));
    said = abi.takeText(W.l_Lean_MessageData_toString(data));
  }
  abi.dec(result);
  return said;
}

// ---- tactics ----
const OPENING = '(\n', CLOSING = '\n)';     // a text is read between them, so that it is a block whose columns are checked

/** Tactics `text`: { block (owned), tactics ([{ stx (borrowed from block), end (byte in text) }]) }, or { problem, line } where Lean cannot read it. */
function parse(env, text) {
  const parsed = abi.W.l_Lean_Parser_runParserCategory(abi.inc(env), abi.parseName('tactic'), abi.string(OPENING + text + CLOSING), abi.string('<input>'));
  const found = abi.inc(abi.field(parsed, 0)), read = abi.tag(parsed) === 1;
  abi.dec(parsed);
  if (!read) {
    const [, line, place] = /^<input>:(\d+)(:.*)$/s.exec(abi.takeText(found));
    return { problem: `<input>:${line - 1}${place}`, line: line - 1 };
  }
  if (syntax.kind(found) !== 'Lean.Parser.Tactic.paren') { abi.dec(found); return { problem: 'a bracket is closed that was not opened', line: 1 }; }
  const sequence = syntax.child(syntax.child(found, 1), 0), braces = syntax.kind(sequence) === 'Lean.Parser.Tactic.tacticSeqBracketed';
  const tactics = braces ? [sequence] : syntax.children(syntax.child(sequence, 0)).filter((_, i) => i % 2 === 0);
  return { block: found, tactics: tactics.map(stx => ({ stx, end: syntax.span(stx)[1] - OPENING.length })) };
}

/** For positions in a text that was read so (see InputContext): owned. */
const inputOf = text => abi.W.l_Lean_Parser_mkInputContext___redArg(abi.string(OPENING + text + CLOSING), abi.string('<input>'), 1,
  abi.box(Buffer.byteLength(OPENING + text + CLOSING)));
const FILE_MAP = 2;

/**
 * Run a tactic's syntax (borrowed) on a proof state (borrowed): { next (owned; null where it failed), problem, messages }.
 * `known`: goals that the problem need not show.
 */
function evaluate(state, stx, token, input, known = []) {
  const { W } = abi, parts = freshParts(abi.field(state.coreState, STATE.env));
  let coreState = abi.withField(abi.inc(state.coreState), STATE.messages, abi.inc(abi.constant('l_Lean_MessageLog_empty')));
  coreState = abi.withField(coreState, STATE.infoState, abi.inc(parts.info));
  const { result, next } = run({ ...state, coreState }, at => W.l_Lean_Elab_Tactic_evalTactic(abi.inc(stx), abi.inc(parts.tactic), abi.inc(at.goals),
    abi.inc(at.term), abi.inc(at.termState), abi.inc(at.meta), abi.inc(at.metaState), abi.inc(at.core), abi.inc(at.coreState)), token, abi.field(input, FILE_MAP));
  abi.dec(coreState);
  const messages = [];
  drain(abi.field(next.coreState, STATE.messages), messages);
  for (const place of messages.flatMap(m => [m.pos, m.endPos])) if (place) place.line -= 1;
  const thrown = abi.tag(result) === 1 ? exceptionText(abi.inc(abi.field(result, 0)), known) : null;
  abi.dec(result);
  // An internal exception says nothing itself: `abortTactic`, for one, follows an error that has been logged.
  const problem = /^internal exception/.test(thrown) ? messages.find(m => m.severity === 'error')?.data ?? thrown : thrown;
  if (problem !== null) { free(next); return { next: null, problem, messages }; }
  // Goals that were assigned by unification are dropped, as Lean does between two tactics.
  const pruned = run(next, at => W.l_Lean_Elab_Tactic_getUnsolvedGoals(parts.tactic, at.goals, at.term, at.termState, at.meta, at.metaState, at.core, at.coreState));
  free(next);
  abi.dec(abi.io(pruned.result, 'goals'));
  return { next: pruned.next, problem, messages };
}

/** Run a text of tactics (all of it or nothing) on a proof state (borrowed), as `evaluate` does. */
function tactic(state, text, token) {
  const { problem, block } = parse(abi.field(state.coreState, STATE.env), text);
  if (problem) return { next: null, problem, messages: [] };
  const input = inputOf(text), evaluated = evaluate(state, block, token, input);
  [block, input].forEach(abi.dec);
  return evaluated;
}

/**
 * Run a text of tactics on a proof state (borrowed) one by one, until one fails or no goal is left. With `rules` (see
 * guard.cjs) nothing is run if they do not allow the text. Returns { problem (text or null; without the goals that were
 * there before it), failed (text of the tactic that it is about, if it was run), refused ({ what, text }, by the rules),
 * steps: [{ text, next (owned), said (texts of what Lean says that is no complaint) }] }; the texts as lines, with the comments before each tactic, are the proof so far.
 */
function steps(state, source, token, rules) {
  const env = abi.field(state.coreState, STATE.env), done = [];
  let text = source, parsed = parse(env, text), problem = parsed.problem ?? null;
  while (parsed.problem) {          // what stands above a line that cannot be read is still run
    const lines = text.split('\n');
    text = lines.slice(0, Math.min(parsed.line, lines.length) - 1).join('\n').trimEnd();
    if (!text) return { problem, steps: done };
    parsed = parse(env, text);
  }
  const refused = rules && guard.examineTactics(parsed.block, rules, places(OPENING + text + CLOSING), env);
  if (refused) {
    abi.dec(parsed.block);
    return { problem: `${refused.what} \`${refused.text}\` is not allowed in a proof`, refused, steps: done };
  }
  const input = inputOf(text), bytes = Buffer.from(text, 'utf8');
  let start = 0, failed;
  for (const { stx, end } of parsed.tactics) {
    const [, semicolon, added] = /^\s*(;?)\s*(.*)$/s.exec(bytes.toString('utf8', start, end));
    const { next, problem: failure, messages } = evaluate(state, stx, token, input, abi.listItems(state.goals));
    const error = failure ?? messages.find(m => m.severity === 'error')?.data;      // an error that Lean recovered from is one
    if (error !== undefined) { if (next) free(next); [problem, failed] = [error, added]; break; }
    if (semicolon && added.includes('\n')) {       // it cannot be moved to a line of its own: its further lines keep their columns
      const last = done[done.length - 1];
      free(last.next);
      Object.assign(last, { text: last.text + bytes.toString('utf8', start, end), next });
    } else done.push({ text: added, next, said: messages.filter(m => m.severity === 'info').map(m => m.data) });
    if (abi.isNil(next.goals)) { problem = null; break; }
    [state, start] = [next, end];
  }
  [parsed.block, input].forEach(abi.dec);
  return { problem, failed, steps: done };
}

/** New traces of a state since an earlier one. */
function traces(state, earlier) {
  const of = s => abi.persistentItems(abi.field(abi.field(s.coreState, STATE.traces), 0));
  return of(state).slice(of(earlier).length).map(t => abi.takeText(abi.W.l_Lean_MessageData_toString(abi.inc(abi.field(t, 1)))).trim());
}

/** The info trees of the tactic that led to a state (borrowed), and the context to read them in (owned). */
function infoTrees(state) {
  const [env, names] = [STATE.env, STATE.names].map(i => abi.field(state.coreState, i)), info = abi.field(state.coreState, STATE.infoState);
  const [fileMap, options, namespace, openDecls] = [CORE.fileMap, CORE.options, CORE.namespace, CORE.openDecls].map(i => abi.field(state.core, i));
  const command = abi.ctor(0, [abi.inc(env), abi.nil, ...[fileMap, abi.field(state.metaState, 0), options, namespace, openDecls, names].map(x => abi.inc(x))]);
  return { trees: abi.persistentItems(abi.field(info, abi.fieldCount(info) - 1)), context: abi.ctor(0, [command, abi.nil, abi.array([])]) };
}

module.exports = { about, create, free, isOfProposition, isProposition, environment: state => abi.field(state.coreState, STATE.env), goals, instantiated, locals, mainGoal, printed, scope, status, tactic, steps, traces, infoTrees };
