'use strict';
/** Lean's frontend: elaborate the commands of a text one after the other, after a header or an earlier state, and return the state. */

const abi = require('./abi.cjs');
const places = require('./text.cjs');
const syntax = require('./syntax.cjs');
const { hasModule } = require('./boot.cjs');
const declarations = require('./declarations.cjs');
const evaluation = require('./evaluation.cjs');
const guard = require('./guard.cjs');
const { drain, exceptionText } = require('./messages.cjs');
const { Runs } = require('./runs.cjs');
const watchdog = require('./watchdog.cjs');

// Fields of Lean.Elab.Command.State, .Scope and ModuleParserState
const STATE = { env: 0, messages: 1, scopes: 2, infoState: 8, snapshotTasks: 10 };
const SCOPE = { options: 1, namespace: 2, openDecls: 3, universes: 4, flags: ['isNoncomputable', 'isPublic', 'isMeta'] };

const emptyLog = () => abi.inc(abi.constant('l_Lean_MessageLog_empty'));
const noOptions = () => abi.inc(abi.constant('l_Lean_Options_empty'));

const LEMMAS = new Set(['theorem', 'lemma']);

// ---- imports ----
const imported = new Map();       // import list as text -> environment

/** Environment of an import list (names separated by blanks, as a header gives them), borrowed; loaded once and kept. */
function environment(imports) {
  const key = imports.join(' ');
  if (!imported.has(key)) {
    // A failed import keeps what it had loaded, some 70 MB: let it fail on the missing module alone.
    const missing = imports.find(name => !hasModule(name));
    if (missing !== undefined) imports = [missing];
    const module = name => abi.ctor(0, [abi.parseName(name)], [0, 1, 0]);   // importAll, isExported, isMeta
    const result = abi.W.l_Lean_importModules(abi.array(imports.map(module)), noOptions(), 0, abi.array([]), 0, 1, 2, abi.box(1));
    imported.set(key, abi.io(result));
  }
  return imported.get(key);
}

/** What a snapshot keeps of this file: the environments that have been loaded. */
const save = () => [...imported];
/** Take over what a snapshot has kept. */
const putBack = saved => { for (const [key, env] of saved) imported.set(key, env); };

/** Header of a text: { imports, empty (no token stands there), module, parserState (owned), messages (owned log) }. */
function readHeader(context) {
  const { W } = abi;
  const parsed = abi.io(W.l_Lean_Parser_parseHeader(abi.inc(context)), 'header');
  const header = abi.field(parsed, 0), rest = abi.field(parsed, 1);
  const out = { parserState: abi.inc(abi.field(rest, 0)), messages: abi.inc(abi.field(rest, 1)), imports: [] };
  const modules = W.l_Lean_Elab_headerToImports(abi.inc(header), 1);
  out.empty = syntax.span(header) === null;
  out.module = syntax.span(syntax.child(header, 0)) !== null;
  out.imports = abi.arrayItems(modules).map(m => abi.nameText(abi.field(m, 0)));
  abi.dec(modules); abi.dec(parsed);
  return out;
}

// ---- states ----
let cleanInfo = null;             // infoState and snapshotTasks of a fresh state, shared by all kept ones
/** Owned Command.State without what only its last command needs: messages, info trees, snapshot tasks. */
function clean(state) {
  if (!cleanInfo) {
    const fresh = abi.W.l_Lean_Elab_Command_mkState(abi.inc(abi.field(state, STATE.env)), emptyLog(), noOptions());
    cleanInfo = [STATE.infoState, STATE.snapshotTasks].map(i => [i, abi.inc(abi.field(fresh, i))]);
    abi.dec(fresh);
  }
  state = abi.withField(state, STATE.messages, emptyLog());
  for (const [i, value] of cleanInfo) state = abi.withField(state, i, abi.inc(value));
  return state;
}

/**
 * Owned Command.State in an environment (borrowed), as inside `noncomputable section`. There a definition that cannot be
 * compiled is no error; here that happens to honest ones: this build has no compiled code of the library's generic
 * functions (`List.replicate`), and a definition that fails so would be left half made, unknown to `simp` and `unfold`.
 */
function freshState(env) {
  const state = abi.W.l_Lean_Elab_Command_mkState(abi.inc(env), emptyLog(), noOptions());
  const scope = abi.field(abi.field(state, STATE.scopes), 0);
  const fields = Array.from({ length: abi.fieldCount(scope) }, (_, i) => abi.inc(abi.field(scope, i)));
  const flags = SCOPE.flags.map((name, i) => name === 'isNoncomputable' ? 1 : abi.scalar(scope, i));
  return abi.withField(state, STATE.scopes, abi.list([abi.ctor(0, fields, flags)]));
}
const stateEnvironment = state => abi.field(state, STATE.env);

const inputOf = text => abi.W.l_Lean_Parser_mkInputContext___redArg(abi.string(text.source), abi.string('<input>'), 1, abi.box(text.bytes.length));

/**
 * Elaborate `source` after `base` (a kept { state, imports }, borrowed) or, without one, after the imports of its header.
 *
 * options: timeout (ms), guard ({ rules, trusted, imports, module }), trusted (it is a challenge), declarations (list what each command declares),
 *          onTrees(trees, text, environmentBefore, messages so far, names of the declared universes) for each command's info trees,
 *          runs (a Runs of the base: take over the tactics that an earlier text of it begins with, too).
 * Returns { messages, imports, module (is it a `module`? Lean is given it as an ordinary file), headerEnd (code points), state (owned, null if there is none), before (with a guard or trusted: the
 *           environment that the text began in, owned), trusted and texts (see guard.cjs), lemmas (full names of the text's theorems), changesCode (see guard.cjs), timedOut,
 *           refused ({ what, text, pos }), commands, holes (code point spans of written `sorry`s; with a guard) }.
 */
function elaborate(source, base, options) {
  if (source.includes('\r\n')) source = source.replaceAll('\r\n', '\n');    // as Lean reads files; keeps offsets true
  const text = places(source);
  options.reuse = options.runs?.begin(source);
  const input = inputOf(text);
  const result = { messages: [], imports: base?.imports, module: base?.module ?? false, headerEnd: 0, state: null, before: 0, trusted: [], texts: [], lemmas: [], timedOut: false, refused: null, commands: [], holes: [], changesCode: false };
  let start;
  try {
    start = base ? { parserState: afterSpace(input), state: abi.inc(base.state) } : afterHeader(input, options.guard, result);
    if (start && (options.guard || options.trusted)) result.before = abi.inc(stateEnvironment(start.state));
    if (start && options.guard) {
      // With doc.verso, a doc comment may hold code.
      start.state = withOptions(start.state, { 'doc.verso': false });
      result.refused = scan(text, input, start, options.guard);
    }
    if (start) runCommands(text, input, start, options, result);
  } finally { abi.dec(input); }
  result.headerEnd = text.offset(result.headerEnd);
  options.reuse?.end(!result.timedOut);
  return result;
}

/** Owned Command.State with options (name → true or false) in all scopes of another one (spent). */
function withOptions(state, options) {
  const scopes = abi.listItems(abi.field(state, STATE.scopes)).map(scope => {
    return abi.withField(abi.inc(scope), SCOPE.options, abi.withOptions(abi.inc(abi.field(scope, SCOPE.options)), options));
  });
  return abi.withField(state, STATE.scopes, abi.list(scopes));
}

/** Where a text with a base starts: after white space and comments, which only the header's parser skips; owned. */
function afterSpace(input) {
  const header = readHeader(input);
  const said = [];
  drain(header.messages, said);
  abi.dec(header.messages);
  if (header.empty && !said.length) return header.parserState;
  abi.dec(header.parserState);
  return abi.ctor(0, [abi.box(0)], [0]);     // its imports will be errors, as they must
}

/** Where a text without a base starts: parser state and fresh state (both owned), or null where its header stops it. */
function afterHeader(input, guarded, result) {
  const header = readHeader(input);
  drain(header.messages, result.messages);
  abi.dec(header.messages);
  result.imports = header.imports;
  result.module = header.module;
  result.headerEnd = abi.unbox(abi.field(header.parserState, 0));
  const unwanted = guarded ? header.imports.filter(m => !guarded.imports.includes(m)) : [];
  if (guarded?.imports.includes('Init') && !header.imports.includes('Init')) unwanted.push('prelude');
  if (guarded && header.module && !guarded.module) unwanted.push('module');
  const pos = { line: 1, column: 0 };
  try {
    if (!unwanted.length) return { parserState: header.parserState, state: freshState(environment(header.imports)) };
    result.refused = { what: 'import', text: unwanted.join(' '), pos };
  } catch (error) { result.messages.push({ severity: 'error', pos, endPos: null, data: error.message, kind: 'import' }); }
  abi.dec(header.parserState);
  return null;
}

/**
 * What a guarded text must not contain, found before anything of it runs: the refusal ({ what, text, pos }), or null. Only
 * words that the rules call dangerous make this look at all. It stops at the first command that cannot be read without
 * those before it; `inspect` then sees the rest.
 */
function scan(text, input, start, guarded) {
  if (!guarded.rules.dangerous(text.source)) return null;
  const ref = abi.ref(abi.inc(start.state)), { state } = start;
  let parserState = abi.inc(start.parserState), refused = null;
  for (let ended = false; !ended && !refused;) {
    const command = parseCommand(input, ref, parserState, { messages: [] });
    parserState = command.parserState;
    ended = command.last || command.said.length > 0;
    if (!ended) refused = guard.examine(command.stx, guarded.rules, guarded.trusted, text, stateEnvironment(state));
    if (refused) refused = placedRefusal(refused, text, command);
    [command.stx, command.namespace, command.environmentBefore, command.messages].forEach(abi.dec);
  }
  abi.dec(ref); abi.dec(parserState);
  return refused;
}

const placedRefusal = (refused, text, command) => ({ what: refused.what, text: refused.text, pos: text.position(refused.span?.[0] ?? abi.unbox(command.position)) });

function runCommands(text, input, start, options, result) {
  const ref = abi.ref(start.state);
  let parserState = start.parserState, token = 0;
  if (options.timeout) { token = abi.ref(abi.box(0)); watchdog.arm(options.timeout, token); }
  try {
    for (let ended = result.refused !== null; !ended;) {
      const command = parseCommand(input, ref, parserState, result);
      parserState = command.parserState;
      ended = command.last;
      const goOn = inspect(command, text, options, result);
      if (goOn) elaborateCommand(command, text, input, ref, token, options, result); else abi.dec(command.messages);
      ended ||= (!goOn && !guard.onlyRuns(command.stx)) || result.timedOut;
      [command.stx, command.namespace, command.environmentBefore].forEach(abi.dec);
    }
  } finally {
    if (token) { result.timedOut = watchdog.disarm() || result.timedOut; abi.dec(token); }
    result.state = abi.refTake(ref);
    abi.dec(ref); abi.dec(parserState);
  }
}

/**
 * The next command (all parts owned): { stx, position (byte, boxed), parserState, messages (the parser's log), said (the
 * same as JSON texts), last, namespace, environmentBefore }. What the parser says is added to the result.
 */
function parseCommand(input, ref, parserState, result) {
  const { W } = abi, state = abi.refGet(ref);
  const scope = abi.field(abi.field(state, STATE.scopes), 0), namespace = abi.inc(abi.field(scope, SCOPE.namespace));
  const environmentBefore = abi.inc(stateEnvironment(state));
  const context = abi.ctor(0, [abi.inc(environmentBefore), abi.inc(abi.field(scope, SCOPE.options)), abi.inc(namespace), abi.inc(abi.field(scope, SCOPE.openDecls))]);
  abi.dec(state);
  const position = abi.field(parserState, 0);
  const parsed = W.l_Lean_Parser_parseCommand(abi.inc(input), context, parserState, emptyLog());
  const stx = abi.inc(abi.field(parsed, 0)), rest = abi.field(parsed, 1);
  const command = { stx, position, parserState: abi.inc(abi.field(rest, 0)), messages: abi.inc(abi.field(rest, 1)), namespace, environmentBefore };
  abi.dec(parsed);
  command.last = (W.l_Lean_Parser_isTerminalCommand(abi.inc(stx)) & 1) === 1;
  const known = result.messages.length;
  drain(command.messages, result.messages);
  command.said = result.messages.slice(known).map(m => JSON.stringify(m));
  return command;
}

/** What is to be known of a command before it runs. False if it must not run. */
function inspect(command, text, options, result) {
  const { stx } = command, guarded = options.guard;
  if (options.declarations && !command.last) {
    const s = syntax.span(stx), declared = declarations.declarations(stx, abi.nameText(command.namespace), text);
    result.commands.push({ kind: syntax.kind(stx), span: s && [text.offset(s[0]), text.offset(s[1])], declarations: declared });
  }
  if (options.trusted) {
    result.trusted.push(...guard.trustedTexts(stx, text));
    result.texts.push(guard.commandText(stx, text));
    for (const { name, kind } of declarations.declarations(stx, abi.nameText(command.namespace), text)) if (name && LEMMAS.has(kind)) result.lemmas.push(name);
  }
  if (!guarded) {
    if (guard.changesCode(stx, text)) {
      evaluation.code();
      result.changesCode = true;
    }
    return true;
  }
  declarations.collectHoles(stx, text, result.holes);
  if (guarded.challenge) guarded.challenge.intact = guarded.follow(stx, text);
  const second = guarded.single && !command.last && guarded.seen++ > 0;
  const refused = second ? { what: 'second command', text: syntax.firstToken(stx, text), span: syntax.span(stx) }
    : guard.examine(stx, guarded.rules, guarded.trusted, text, command.environmentBefore);
  // What the parser could not read it may call anything; it is an error already, and only not run.
  if (refused && !command.said.length) result.refused = placedRefusal(refused, text, command);
  return !refused && !guard.onlyRuns(stx);
}

/** Run a command (spends its log of messages): the state in `ref` goes on, and what Lean says is added to the result. */
function elaborateCommand(command, text, input, ref, token, options, result) {
  const { W } = abi, from = result.messages.length;
  // The elaborator is given the parser's messages (it keeps quiet about what they explain); it may or may not repeat them.
  abi.refSet(ref, abi.withField(abi.refTake(ref), STATE.messages, command.messages));
  // A command that the parser did not read whole has no snapshots: its syntax tree says less than its text.
  const snapshots = command.said.length ? null : options.reuse?.command(command.stx, abi.unbox(command.position));
  const context = abi.ctor(0, [abi.inc(abi.field(input, 1)), abi.inc(abi.field(input, 2)), abi.box(0), command.position, abi.nil, abi.nil,
    abi.inc(abi.constant('l_Lean_firstFrontendMacroScope')), abi.nil, snapshots ? snapshots.bundle : abi.nil, token ? abi.some(abi.inc(token)) : abi.nil], [0]);
  let ran;
  try { ran = W.l_Lean_Elab_Command_elabCommandTopLevel(abi.inc(command.stx), context, abi.inc(ref)); } catch (error) {
    if (error instanceof evaluation.Refused) error.pos = text.position(abi.unbox(command.position));
    throw error;
  }
  const uncaught = abi.tag(ran) === 1 ? exceptionText(abi.inc(abi.field(ran, 0))) : null;
  abi.dec(ran);

  const state = abi.refGet(ref);
  snapshots?.finish(log => drain(log, result.messages));
  drain(abi.field(state, STATE.messages), result.messages);
  const repeated = command.said.length && command.said.every((m, i) => m === JSON.stringify(result.messages[from + i]));
  if (repeated) result.messages.splice(from, command.said.length);
  if (uncaught !== null) result.messages.push({ severity: 'error', pos: text.position(abi.unbox(command.position)), endPos: null, data: uncaught });
  const info = abi.field(state, STATE.infoState), trees = abi.persistentItems(abi.field(info, abi.fieldCount(info) - 1));
  if (options.onTrees) options.onTrees(trees, text, command.environmentBefore, result.messages, abi.listItems(abi.field(abi.field(abi.field(state, STATE.scopes), 0), SCOPE.universes)));
  if (options.declarations && !command.last) {
    const last = result.commands.at(-1), after = stateEnvironment(state);
    declarations.describe(last.declarations, command.environmentBefore, after, trees, result.messages.some(m => m.kind === 'hasSorry'));
    last.besides = declarations.besides(last.declarations, command.environmentBefore, after);
  }
  abi.dec(state);
  abi.refSet(ref, clean(abi.refTake(ref)));
  if (token && abi.refValue(token) !== abi.box(0)) {
    result.timedOut = true;
    if (/^internal exception/.test(result.messages.at(-1)?.data)) result.messages.pop();    // how the interruption shows
  }
}

module.exports = { elaborate, environment, putBack, save, stateEnvironment };
