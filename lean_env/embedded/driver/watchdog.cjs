'use strict';
/**
 * Wall-clock limits. Lean occupies the main thread, so a second one keeps the time: at the limit it writes `true` into
 * Lean's cancel token (a reference in shared memory); where that is ignored for `GRACE` ms (an `#eval` loop asks
 * nobody), it kills the process. It also does so when the supervisor is gone, so that no process works for nobody.
 */

const process = require('process');
const { Worker } = require('worker_threads');
const abi = require('./abi.cjs');

const GRACE = 2000;               // ms
const LOOK = 1000;                // ms between two looks for the parent process
const CELLS = { TURN: 0, LIMIT: 1, ADDRESS: 2, STATE: 3 };       // int32; an odd turn is an armed one
const STATES = { DISARMED: 0, FIRING: 2, FIRED: 4 };             // or the turn for which it is armed
const parent = process.ppid;

function keepTime({ memory, cells, parent, TRUE, GRACE, LOOK, CELLS: { TURN, LIMIT, ADDRESS, STATE }, STATES: { FIRING, FIRED } }) {
  const end = () => process.kill(process.pid, 'SIGKILL');
  /** Wait until the turn is over (true) or `ms` have passed (false). */
  const over = (turn, ms) => {
    for (let rest = ms; rest > 0; rest -= LOOK) {
      if (Atomics.wait(cells, TURN, turn, Math.min(rest, LOOK)) !== 'timed-out') return true;
      if (process.ppid !== parent) end();
    }
    return Atomics.load(cells, TURN) !== turn;
  };
  for (;;) {
    const turn = Atomics.load(cells, TURN);
    if (!(turn & 1)) { Atomics.wait(cells, TURN, turn); continue; }
    if (over(turn, Atomics.load(cells, LIMIT))) continue;
    // Whoever takes the state first, this or `disarm`, wins: the token's memory must not be written to when it is freed.
    if (Atomics.compareExchange(cells, STATE, turn, FIRING) !== turn) continue;
    Atomics.store(new Int32Array(memory.buffer), Atomics.load(cells, ADDRESS) >>> 2, TRUE);
    Atomics.store(cells, STATE, FIRED);
    if (!over(turn, GRACE)) end();
  }
}

let cells;
function start() {
  cells = new Int32Array(new SharedArrayBuffer(16));
  const workerData = { memory: abi.memory(), cells, parent, TRUE: abi.box(1), GRACE, LOOK, CELLS, STATES };
  new Worker(`(${keepTime})(require('worker_threads').workerData)`, { eval: true, workerData }).unref();
}

/** Begin to count `ms` for the cancel token (a Lean reference holding `false`). */
exports.arm = (ms, token) => {
  if (!cells) start();
  Atomics.store(cells, CELLS.LIMIT, Math.min(ms, 0x7fffffff));
  Atomics.store(cells, CELLS.ADDRESS, abi.refValueAddress(token) | 0);
  Atomics.store(cells, CELLS.STATE, Atomics.load(cells, CELLS.TURN) + 1);
  Atomics.add(cells, CELLS.TURN, 1);
  Atomics.notify(cells, CELLS.TURN);
};

/** Stop counting; true if the limit was reached. */
exports.disarm = () => {
  const turn = Atomics.load(cells, CELLS.TURN), fired = Atomics.compareExchange(cells, CELLS.STATE, turn, STATES.DISARMED) !== turn;
  while (Atomics.load(cells, CELLS.STATE) === STATES.FIRING);     // for the few instructions that it takes
  Atomics.add(cells, CELLS.TURN, 1);
  Atomics.notify(cells, CELLS.TURN);
  return fired;
};
