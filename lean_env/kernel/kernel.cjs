'use strict';
/**
 * The command: checks the declarations of a file in the format of lean4export.
 *
 *   node --stack-size=60000 kernel.cjs [--given N] [--steps S] [--seconds T] FILE       (after `ulimit -s 80000`; - is standard input)
 *
 * The first N declarations are given: they are believed. All others are checked. Prints one line of JSON,
 *   { verdict: accepts | rejects | undecided, checked, given, axioms (among those checked), last? (the last one checked),
 *     constant?, rule?, detail? }
 * and ends with 0, 1 or 2. "undecided" is a limit of the kernel's own.
 */

const fs = require('node:fs');
const { declare } = require('./declarations.cjs');
const { Environment } = require('./environment.cjs');
const { Reader } = require('./read.cjs');
const terms = require('./terms.cjs');
const { Rejected, Undecided, setLimits } = require('./verdicts.cjs');

const CHUNK = 1 << 22;
const EXITS = { accepts: 0, rejects: 1, undecided: 2 };
const DETAIL = 1000;                // longest detail, in characters

/** The options and the file on the command line. */
function parseArguments(words) {
  const options = { given: 0, steps: Infinity, seconds: Infinity, file: null };
  for (let i = 0; i < words.length; i++) {
    const option = /^--(given|steps|seconds)$/.exec(words[i])?.[1];
    const number = option === 'seconds' ? /^[0-9]+(\.[0-9]+)?$/ : /^[0-9]+$/;
    if (option === undefined && options.file === null) options.file = words[i];
    else if (option !== undefined && number.test(words[i + 1] ?? '')) options[option] = Number(words[++i]);
    else throw new Undecided('usage', `what is ${words[i]}?`);
  }
  if (options.file === null) throw new Undecided('usage', 'no file');
  return options;
}

/** The lines of a file, which must be UTF-8. */
function* lines(file) {
  const descriptor = file === '-' ? 0 : fs.openSync(file, 'r');
  const buffer = Buffer.alloc(CHUNK), decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const decode = (bytes, more) => {
    try { return decoder.decode(bytes, { stream: more }); } catch { throw new Rejected('format', 'the file is not UTF-8'); }
  };
  let rest = [];
  for (let n = fs.readSync(descriptor, buffer); n > 0; n = fs.readSync(descriptor, buffer)) {
    const pieces = decode(buffer.subarray(0, n), true).split('\n');
    rest.push(pieces[0]);
    if (pieces.length === 1) continue;
    yield rest.join('');
    yield* pieces.slice(1, -1);
    rest = [pieces.at(-1)];
  }
  rest.push(decode(new Uint8Array(), false));
  const last = rest.join('');
  if (last !== '') yield last;
}

/** Checks a file; what is known so far is kept in `state`. */
function run(words, state) {
  const options = parseArguments(words);
  setLimits(options.steps, options.seconds);
  const reader = new Reader(), environment = new Environment();
  for (const line of lines(options.file)) {
    const declaration = reader.line(line);
    if (declaration === null) continue;
    const given = state.given < options.given;
    state.constant = String(declaration.name);
    terms.passingly(() => declare(environment, declaration, given));
    delete state.constant;
    state[given ? 'given' : 'checked']++;
    if (!given) state.last = String(declaration.name);
    if (!given && declaration.kind === 'axiom') state.axioms.push(String(declaration.name));
  }
  if (!reader.started) throw new Rejected('format', 'the file is empty');
  if (state.given < options.given) throw new Rejected('given', `there are ${state.given} declarations, of which ${options.given} should be given`);
}

/** The verdict that an error is. */
function verdictOf(error) {
  if (error instanceof Rejected) return { verdict: 'rejects', rule: error.rule, detail: error.detail };
  if (error instanceof Undecided) return { verdict: 'undecided', rule: error.rule, detail: error.detail };
  if (error.syscall !== undefined) return { verdict: 'undecided', rule: 'usage', detail: error.message };
  if (error instanceof RangeError) return { verdict: 'undecided', rule: 'limit.size', detail: error.message };
  return { verdict: 'undecided', rule: 'internal', detail: String(error?.stack ?? error) };
}

/** Runs the command. */
function main(words) {
  const state = { checked: 0, given: 0, axioms: [] };
  let result = { verdict: 'accepts' };
  try { run(words, state); } catch (error) { result = verdictOf(error); }
  const { verdict, rule, detail } = result;
  fs.writeSync(1, `${JSON.stringify({ verdict, ...state, rule, detail: detail?.slice(0, DETAIL) })}\n`);
  process.exitCode = EXITS[verdict];
}

main(process.argv.slice(2));
