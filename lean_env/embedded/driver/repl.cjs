'use strict';
/**
 * The REPL of the embedded Lean, a process with leanprover-community/repl's protocol: JSON requests on stdin, JSON answers
 * on stdout, each followed by a blank line. (lean_env/requests.py and protocol.py have both as types.)
 *
 *   node repl.cjs --root FOLDER --memory BYTES [--notices] [--snapshot FILE --key TEXT]
 *   node repl.cjs --root FOLDER --memory BYTES --save-snapshot --key TEXT > FILE
 *
 * From that protocol: {cmd | path, env?, allTactics?, rootGoals?} → {env, messages?, sorries?, tactics?} or {message};
 * {tactic, proofState} → {proofState, goals, proofStatus, messages?, sorries?, traces?} or {message}.
 * Added here (a REPL that does not know them leaves them out):
 *   timeout: ms                limit of this request, in processor time (see watchdog.cjs); the answer has timeout: true
 *   axioms: [name]             → axioms: {name: [axiom] | null}
 *   declarations: true         → commands: [{kind, span, declarations, besides}] (see declarations.cjs), imports, headerEnd;
 *                              and sorries have proposition (is the goal one?)
 *   subgoals: true             → each of the sorries has subgoal (the goal as a lemma of its own, see subgoals.cjs)
 *   challenge: true            remember the texts of the commands, so that the environment can be a guard's challenge; no sorries
 *   guard: {rules, env, single?}   refuse what the rules do not allow and the challenge `env` does not have → refused, holes;
 *                              single: it is one command;
 *                              with tactic: {rules}
 *   discard: true              keep no environment and no proof state: the answer has no ids
 *   reuse: true                take over what an earlier text with `reuse`, after the same env, begins with (see runs.cjs)
 *   steps: true                with tactic: run its tactics one by one as far as they work and goals are left
 *                              → steps: [{tactic, goals, proofStatus, proofState, said?}], problem?, failed? (of the one that did not work)
 *   {compare: {challenge, solution, theorem, definition?}} → {comparison: {challenge, solution, differs, axioms (see statements.cjs), computedSort
 *                              (see sorts.cjs), sorries: [name] (of what it rests on, what uses `sorry` itself), additions (where nothing differs: an export of what the theorem rests on
 *                              and the solution adds, else null)}}
 *   {confirm: {challenge, additions, theorem, definition?, timeout}} → {confirmation: {refused (what Lean's kernel does not accept of the additions, see
 *                              rebuild.cjs, or null; then:), facts (as of compare), types (inductive ones among the additions that the
 *                              challenge has not), export}}
 *   {export: {env, names}} → {export: {ndjson, given, declarations}} (see export.cjs)
 *   {premises: {proofState, env}} → {premises: {…}} (see premises.cjs); env: the text before the theorem
 *   {drop: [env], dropProofStates: [id]} → {}       {stats: true} → {memory} in bytes
 *
 * With `notices`, {runsCode: true} comes before the answer to a request whose text runs code (see evaluation.cjs), and
 * before that code runs: what this process says from then on is as trustworthy as the text. What is guarded, compare
 * and confirm must run none: that is refused (what: evaluation), and the answer has last: true, after which the process ends.
 */

const fs = require('fs'), process = require('process');
const { Buffer } = require('buffer'), { parseArgs } = require('util');
const abi = require('./abi.cjs');
const { boot, lastWords, thrownText } = require('./boot.cjs');
const evaluation = require('./evaluation.cjs');
const exported = require('./export.cjs');
const frontend = require('./frontend.cjs');
const guard = require('./guard.cjs');
const infotree = require('./infotree.cjs');
const places = require('./text.cjs');
const premises = require('./premises.cjs');
const proof = require('./proof.cjs');
const rebuild = require('./rebuild.cjs');
const { Runs } = require('./runs.cjs');
const snapshots = require('./snapshot.cjs');
const statements = require('./statements.cjs');
const { HAVE, subgoal } = require('./subgoals.cjs');
const watchdog = require('./watchdog.cjs');

const FATAL = 70;                 // exit code after an error that leaves Lean's memory in doubt
// The library's own axioms; all other imported "axioms" are theorems whose proofs this build does not ship.
const AXIOMS = new Set(['propext', 'Classical.choice', 'Quot.sound', 'sorryAx', 'Lean.ofReduceBool', 'Lean.ofReduceNat', 'Lean.trustCompiler',
  'Lean.reduceBool', 'Lean.reduceNat']);

const kept = new Map();           // env id -> { state, before, imports, module, trusted, texts, lemmas, usable, changesCode, ranCode, runs }
const runsWithout = new Runs();   // of texts that go on from no environment
const proofStates = new Map();    // id -> see proof.cjs
let nextEnv = 0, nextProofState = 0;

class Refusal extends Error {}    // a request that cannot be served; Lean is fine

function environmentOf(id) {
  const found = kept.get(id);
  if (!found) throw new Refusal('Unknown environment.');
  return found;
}

/** Could there be a `sorry`, by the source or by Lean's own warning (a macro's)? Walking info trees for nothing costs time. */
const maySorry = (source, messages) => /sorry|admit|stop/.test(source) || messages.some(m => m.kind === 'hasSorry');

function proofStateOf(id) {
  const found = proofStates.get(id);
  if (!found) throw new Refusal('Unknown proof state.');
  return found;
}

/** Keep a proof state (spent); its id. */
function keep(state) {
  proofStates.set(nextProofState, state);
  return nextProofState++;
}

/** Information that holds a proof state (spent) as it is answered: with the id under which the state is kept, or without it. */
function withId({ state, ...rest }, keeps) {
  if (!state) return rest;
  if (keeps) return { ...rest, proofState: keep(state) };
  proof.free(state);
  return rest;
}
const withGoal = (found, asked) => ({ goal: proof.goals(found.state).join('\n\n'), ...(asked && { proposition: proof.isOfProposition(found.state) }), ...found });

function command(request) {
  const base = isGiven(request.env) ? environmentOf(request.env) : null, options = { declarations: request.declarations, trusted: request.challenge };
  if (request.timeout) options.timeout = request.timeout;
  if (request.reuse) options.runs = base ? base.runs ??= new Runs() : runsWithout;
  if (request.guard) {
    const { state, trusted, texts, imports, module, changesCode } = environmentOf(request.guard.env);
    const challenge = { env: frontend.stateEnvironment(state), changesCode, intact: true };
    options.guard = { single: request.guard.single, seen: 0, rules: guard.compile(request.guard.rules), trusted: new Set(trusted), imports, module, challenge, follow: guard.follower(texts) };
  }
  const mode = { guarded: Boolean(request.guard), challenge: options.guard?.challenge ?? null, history: Boolean(base?.ranCode || base?.changesCode) };
  return evaluation.during({ ...mode, base: base && frontend.stateEnvironment(base.state) }, () => elaborated(request, base, options));
}

function elaborated(request, base, options) {
  const { cmd: source } = request, keeps = !request.discard, answer = {}, tactics = [], sorries = [], roots = [];
  options.onTrees = (trees, text, environmentBefore, messages, universes) => {
    const known = sorries.length;
    if (request.allTactics) for (const tree of trees) infotree.tactics(tree, text, keeps && environmentBefore, options.reuse?.remember ?? ((_, read) => read()), tactics);
    if (!request.challenge && maySorry(source, messages)) for (const tree of trees) infotree.sorries(tree, text, environmentBefore, sorries);
    if (request.subgoals && sorries.length > known) {
      const steps = new Set();
      for (const tree of trees) infotree.brought(tree, HAVE, steps);
      for (const sorry of sorries.slice(known)) sorry.subgoal = subgoal(sorry.state, steps, universes);
    }
    if (request.rootGoals) for (const tree of trees) infotree.rootGoals(tree, text, environmentBefore, roots);
  };
  const result = frontend.elaborate(source, base, options);
  sorries.push(...roots);
  if (result.messages.length) answer.messages = result.messages;
  if (result.messages.dropped) answer.droppedMessages = result.messages.dropped;
  if (sorries.length) answer.sorries = sorries.map(s => withId(withGoal(s, request.declarations), keeps));
  if (tactics.length) answer.tactics = tactics.map(t => withId(t, keeps));
  if (request.declarations) Object.assign(answer, { commands: result.commands, imports: result.imports, headerEnd: result.headerEnd });
  if (request.guard && result.holes.length) answer.holes = result.holes;
  if (result.refused) answer.refused = result.refused;
  if (result.timedOut) answer.timeout = true;
  if (!result.state) return answer;
  if (request.axioms) {
    const here = frontend.stateEnvironment(result.state);
    answer.axioms = Object.fromEntries(request.axioms.map(name => [name, statements.restsOn(here, name, AXIOMS)?.axioms.map(a => a.name) ?? null]));
  }
  if (!keeps) forget(result);
  else {
    answer.env = nextEnv++;
    kept.set(answer.env, { state: result.state, before: result.before, imports: result.imports, module: result.module, trusted: result.trusted, texts: result.texts, lemmas: [...base?.lemmas ?? [], ...result.lemmas], usable: new Map(),
      changesCode: result.changesCode || Boolean(base?.changesCode), ranCode: ranCode || Boolean(base?.ranCode) });
  }
  return answer;
}

/** Run `action(token)` with a cancel token that is set after `timeout` ms (no token without one): [its result, timed out?]. */
function limited(timeout, action) {
  if (!timeout) return [action(0), false];
  const token = abi.ref(abi.box(0));
  let result, late;
  watchdog.arm(timeout, token);
  try { result = action(token); } finally { late = watchdog.disarm(); abi.dec(token); }
  return [result, late];
}

const stepAnswer = (state, token) => ({ goals: proof.goals(state), proofStatus: proof.status(state, token) });

function tactic({ tactic: source, proofState, timeout, steps, guard: given }) {
  const state = proofStateOf(proofState), rules = given && guard.compile(given.rules);
  if (steps) {
    const [answer, late] = limited(timeout, token => {
      const { steps: done, problem, failed, refused } = proof.steps(state, source, token, rules);
      return { ...(refused && { refused }), steps: done.map(({ text, next, said }) => ({ tactic: text, ...stepAnswer(next, token), proofState: keep(next), ...(said.length && { said }) })),
        ...(problem !== null && { problem, failed }) };
    });
    return late ? { ...answer, timeout: true } : answer;
  }
  const [{ next, problem, messages, ...told }, late] = limited(timeout, token => {
    const done = proof.tactic(state, source, token);
    return done.next ? { ...done, ...stepAnswer(done.next, token) } : done;
  });
  if (!next) return { message: `Lean error:\n${problem}`, ...(late && { timeout: true }) };
  const answer = told, sorries = [], said = proof.traces(next, state);
  if (maySorry(source, messages)) {
    const { trees, context } = proof.infoTrees(next);
    for (const tree of trees) infotree.sorries(tree, NOWHERE, proof.environment(state), sorries, context, state.roots);
    abi.dec(context);
  }
  if (messages.length) answer.messages = messages;
  if (sorries.length) answer.sorries = sorries.map(s => withId(withGoal(s, false), true)).map(({ pos, endPos, ...sorry }) => sorry);
  if (said.length) answer.traces = said;
  return { ...answer, proofState: keep(next) };
}
const NOWHERE = places(''), NO_TEXT = { lemmas: [], usable: new Map() };
const META = { exporter: { name: 'open-prover', version: '1' }, lean: { githash: '38f3c0c45b8df6da2652faff6dcaa15afb5a6981', version: '4.28.0' }, format: { version: '3.1.0' } };

function compare({ challenge, solution, theorem, definition }) {
  const { state, before } = environmentOf(solution), [a, b] = [environmentOf(challenge).state, state].map(frontend.stateEnvironment);
  const found = statements.compare(a, b, theorem, AXIOMS, definition), additions = found.solution && !found.differs.length ? exported(b, [theorem], META, before).ndjson : null;
  return { ...found, additions };
}

function confirm({ challenge, additions, theorem, definition, timeout }) {
  const { state, before } = environmentOf(challenge);
  const [answer, late] = limited(timeout, token => {
    const a = frontend.stateEnvironment(state), { env: b, refused, types } = rebuild(before, additions, token, a);
    if (!b) return { refused };
    try {
      return { refused, facts: { ...statements.compare(a, b, theorem, AXIOMS, definition), additions: null }, types, export: exported(b, [theorem], META) };
    } finally { abi.dec(b); }
  });
  return late ? { timeout: true } : { confirmation: answer };
}

const forget = kept => { abi.dec(kept.state); if (kept.before) abi.dec(kept.before); kept.runs?.free(); };

/** Let go of environments and of proof states; ids that are unknown are as good as gone. */
function drop(environments = [], states = []) {
  for (const id of environments) { const found = kept.get(id); if (found) { forget(found); kept.delete(id); } }
  for (const id of states) { const found = proofStates.get(id); if (found) { proof.free(found); proofStates.delete(id); } }
  return {};
}

function readFile(path) {
  try { return fs.readFileSync(path, 'utf8'); } catch (error) {
    const what = /^[A-Z0-9]+: (.*?), /.exec(error.message)?.[1] ?? error.message;
    throw new Refusal(`${what} (error code: ${-error.errno})\n  file: ${path}`);       // as Lean words it
  }
}

const isText = x => typeof x === 'string', isNatural = x => Number.isInteger(x) && x >= 0;
const isGiven = x => x !== undefined && x !== null;
const listOf = isItem => x => Array.isArray(x) && x.every(isItem);
const FIELDS = { cmd: isText, path: isText, tactic: isText, env: isNatural, proofState: isNatural, timeout: isNatural, axioms: listOf(isText),
  drop: listOf(isNatural), dropProofStates: listOf(isNatural) };

function answerTo(request) {
  if (typeof request !== 'object' || request === null) throw new Refusal('Could not parse as a valid JSON command: an object is expected');
  for (const name in FIELDS) if (isGiven(request[name]) && !FIELDS[name](request[name])) throw new Refusal(`Could not parse as a valid JSON command: wrong value of ${name}`);
  if (typeof request.cmd === 'string') return command(request);
  if (typeof request.path === 'string') return command({ ...request, cmd: readFile(request.path) });
  if (request.compare) return { comparison: evaluation.during({ guarded: true }, () => compare(request.compare)) };
  if (request.confirm) return evaluation.during({ guarded: true }, () => confirm(request.confirm));
  if (isText(request.tactic) && isGiven(request.proofState)) return evaluation.during({ guarded: isGiven(request.guard) }, () => tactic(request));
  if (request.export) return { export: exported(frontend.stateEnvironment(environmentOf(request.export.env).state), request.export.names, META) };
  if (request.premises) return { premises: evaluation.during({ guarded: true }, () => premises(proofStateOf(request.premises.proofState), isGiven(request.premises.env) ? environmentOf(request.premises.env) : NO_TEXT)) };
  if (request.drop || request.dropProofStates) return drop(request.drop, request.dropProofStates);
  if (request.stats) return { memory: abi.memoryBytes() };
  throw new Refusal('Could not parse as a valid JSON command: none of cmd, path, tactic with proofState, compare, confirm, export, drop, stats');
}

/** Write all bytes: a pipe takes 64 KB at once and may take part of a chunk. */
function write(bytes) {
  for (let done = 0; done < bytes.length;) {
    try { done += fs.writeSync(1, bytes, done); } catch (error) {
      if (error.code === 'EPIPE') process.exit(0);
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

let notice = () => {};
const say = answer => write(Buffer.from(JSON.stringify(answer) + '\n\n', 'utf8'));

/** What an error that left Lean's memory in doubt was: C++ exceptions arrive as numbers, Lean's panics as exit statuses. */
function fatalText(error) {
  if (error instanceof RangeError && /call stack/.test(error.message)) return 'stack overflow';
  const thrown = typeof error === 'number' ? thrownText(error) : String(error?.message ?? error);
  const text = `${thrown}: ${lastWords()}`;
  return /bad_alloc|out of memory/i.test(text) ? 'out of memory' : text;
}

let ranCode = false;               // in the present request
function onCode() {
  if (!ranCode) notice();
  ranCode = true;
}

function serve(line) {
  ranCode = false;
  let answer, fatal = false;
  try {
    let request;
    try { request = JSON.parse(line); } catch (error) { throw new Refusal(`Could not parse JSON:\n${error.message}`); }
    answer = evaluation.during({ onCode }, () => answerTo(request));
  } catch (error) {
    fatal = !(error instanceof Refusal);
    if (error instanceof evaluation.Refused) answer = { refused: { what: 'evaluation', text: error.constant, pos: error.pos ?? { line: 1, column: 0 } }, last: true };
    else answer = fatal ? { fatal: fatalText(error) } : { message: error.message };
  }
  say(answer);
  if (fatal) process.exit(FATAL);
}

const OPTIONS = { root: { type: 'string' }, memory: { type: 'string' }, notices: { type: 'boolean' }, snapshot: { type: 'string' },
  key: { type: 'string' }, 'save-snapshot': { type: 'boolean' } };

/** Requests as the community REPL reads them: lines up to a blank one; blocks that start with `#` or `--` are comments. */
async function main() {
  const { root, memory, notices, snapshot, key, 'save-snapshot': saves } = parseArgs({ options: OPTIONS }).values, maxBytes = Number(memory);
  const { base, snapshot: found } = await boot(root, maxBytes, snapshot && (() => snapshots.open(snapshot, key, maxBytes)));
  if (saves) {
    frontend.environment(['Init']);
    snapshots.save(write, key, base, frontend.save());
    process.exit(0);
  }
  if (found?.header) frontend.putBack(found.header.kept);
  if (notices) notice = () => say({ runsCode: true });
  if (notices && found === 'damaged') say({ snapshot: found });
  let block = [];
  const flush = () => { const text = block.join(''); block = []; if (text && !text.startsWith('#') && !text.startsWith('--')) serve(text); };
  let rest = [];
  process.stdin.on('data', chunk => {
    for (let end = chunk.indexOf(10), start = 0; ; start = end + 1, end = chunk.indexOf(10, start)) {
      if (end < 0) { rest.push(chunk.subarray(start)); return; }
      const line = Buffer.concat([...rest, chunk.subarray(start, end)]).toString('utf8');
      rest = [];
      if (line.trim() === '') flush(); else block.push(line.trimEnd());
    }
  });
  process.stdin.on('end', () => { const line = Buffer.concat(rest).toString('utf8'); if (line.trim()) block.push(line); flush(); process.exit(0); });
}

main().catch(error => { console.error(`the embedded Lean does not start: ${error.message}`); process.exit(FATAL); });
