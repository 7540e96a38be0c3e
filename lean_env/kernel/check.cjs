'use strict';
/** Check one export, from a fresh state that no other export has touched. */

const levels = require('./levels.cjs');
const names = require('./names.cjs');
const terms = require('./terms.cjs');
const { declare } = require('./declarations.cjs');
const { Environment } = require('./environment.cjs');
const { Reader } = require('./read.cjs');
const { Rejected, Undecided, setLimits } = require('./verdicts.cjs');

const DETAIL = 1000;                // longest detail, in characters

const TABLES = [names, levels, terms];
TABLES.forEach(table => table.keep());     // all modules are loaded: what they have made is what every check begins with

/** Checks an export's lines, of whose declarations the first are given; what is known so far is kept in `state`. */
function run(lines, given, state) {
  const reader = new Reader(), environment = new Environment();
  for (const line of lines) {
    const declaration = reader.line(line);
    if (declaration === null) continue;
    const isGiven = state.given < given;
    state.constant = String(declaration.name);
    declare(environment, declaration, isGiven);
    terms.tidy();
    delete state.constant;
    state[isGiven ? 'given' : 'checked']++;
    if (!isGiven) state.last = String(declaration.name);
    if (!isGiven && declaration.kind === 'axiom') state.axioms.push(String(declaration.name));
  }
  if (!reader.started) throw new Rejected('format', 'the file is empty');
  if (state.given < given) throw new Rejected('given', `there are ${state.given} declarations, of which ${given} should be given`);
}

/** The verdict that an error is. */
function verdictOf(error) {
  if (error instanceof Rejected) return { verdict: 'rejects', rule: error.rule, detail: error.detail };
  if (error instanceof Undecided) return { verdict: 'undecided', rule: error.rule, detail: error.detail };
  if (error.syscall !== undefined) return { verdict: 'undecided', rule: 'usage', detail: error.message };
  if (error instanceof RangeError) return { verdict: 'undecided', rule: 'limit.size', detail: error.message };
  return { verdict: 'undecided', rule: 'internal', detail: String(error?.stack ?? error) };
}

/**
 * The finding on an export: { verdict: accepts | rejects | undecided, checked, given, axioms (among those checked), last? (the
 * last one checked), constant?, rule?, detail? }. "undecided" is a limit of the kernel's own.
 */
function check(lines, { given = 0, steps = Infinity, seconds = Infinity }) {
  const state = { checked: 0, given: 0, axioms: [] };
  let result = { verdict: 'accepts' };
  TABLES.forEach(table => table.forget());
  setLimits(steps, seconds);
  try { run(lines, given, state); } catch (error) { result = verdictOf(error); }
  const { verdict, rule, detail } = result;
  return { verdict, ...state, rule, detail: detail?.slice(0, DETAIL) };
}

module.exports = { check, verdictOf };
