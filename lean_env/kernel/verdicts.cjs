'use strict';
/**
 * The two errors that end a check early (Rejected, Undecided), and the limits on a check. A declaration is rejected when a rule does not hold; it is
 * undecided when a limit of our own (steps, seconds, memory) is reached before that is known.
 */

const v8 = require('node:v8');

/** A rule of the type theory (or of the file format) that does not hold. */
class Rejected extends Error {
  constructor(rule, detail) { super(`${rule}: ${detail}`); this.rule = rule; this.detail = detail; }
}

/** A limit that was reached. */
class Undecided extends Error {
  constructor(limit, detail) { super(`${limit}: ${detail}`); this.rule = limit; this.detail = detail; }
}

/** Ends in a rejection unless `condition` is true; `detail` may be a function that makes the text. */
function demand(condition, rule, detail) {
  if (condition !== true) throw new Rejected(rule, typeof detail === 'function' ? detail() : detail);
}

const LOOK = 4096;                  // steps between two looks at the clock and at the heap
const HEAP_PART = 0.75;             // the part of the heap that may be used,
const YOUNG = 256e6;                // without what V8 counts for young objects, in bytes
const limits = { steps: Infinity, until: Infinity };
let steps = 0, nextLook = LOOK;

/** Sets the limits: a number of steps and a number of seconds from now. */
function setLimits(maxSteps, seconds) {
  steps = 0;
  limits.steps = maxSteps;
  limits.until = Date.now() + 1000 * seconds;
  nextLook = Math.min(LOOK, maxSteps);
}

/** Counts one step: a term built, a level compared, a rule tried. */
function step() {
  if (++steps >= nextLook) look();
}

/** Throws `Undecided` if a limit is reached. */
function look() {
  nextLook = Math.min(steps + LOOK, limits.steps > steps ? limits.steps : Infinity);
  if (steps >= limits.steps) throw new Undecided('limit.steps', `${steps} steps`);
  if (Date.now() > limits.until) throw new Undecided('limit.seconds', `${steps} steps`);
  const heap = v8.getHeapStatistics();
  if (heap.used_heap_size > HEAP_PART * (heap.heap_size_limit - YOUNG)) throw new Undecided('limit.memory', `${heap.used_heap_size} bytes`);
}

module.exports = { Rejected, Undecided, demand, setLimits, step };
