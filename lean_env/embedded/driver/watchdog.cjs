'use strict';
/**
 * The watchdog of time limits. A limit is processor time of this process, so that it means the same on a busy machine; for a
 * process that does nothing (it sleeps) it is wall time, and PATIENCE times the limit in wall time is the end in any case.
 * Lean occupies the main thread, so a second thread keeps the time: at the limit it writes `true` into Lean's cancel token (a
 * reference in shared memory); where that is ignored for `GRACE` ms (an `#eval` loop does not look at it), it kills the process.
 * It also kills the process when its parent process is gone.
 */

const process = require('process');
const { Worker } = require('worker_threads');
const abi = require('./abi.cjs');

const GRACE = 2000;               // ms
const PATIENCE = 10, IDLE = 0.005; // times the limit, by the wall clock; the share of it that a process works at least that does something
const LOOK = 1000;                // ms between two looks for the parent process
const CELLS = { TURN: 0, LIMIT: 1, ADDRESS: 2, STATE: 3 };       // int32; an odd turn is an armed one
const STATES = { DISARMED: 0, FIRING: 2, FIRED: 4 };             // or the turn for which it is armed
const parent = process.ppid;

function keepTime({ memory, cells, parent, TRUE, GRACE, LOOK, PATIENCE, IDLE, CELLS: { TURN, LIMIT, ADDRESS, STATE }, STATES: { FIRING, FIRED } }) {
  const end = () => process.kill(process.pid, 'SIGKILL');
  /** Wait until the turn is over (true) or `ms` have passed (false). */
  const over = (turn, ms) => {
    for (let rest = ms; rest > 0; rest -= LOOK) {
      if (Atomics.wait(cells, TURN, turn, Math.min(rest, LOOK)) !== 'timed-out') return true;
      if (process.ppid !== parent) end();
    }
    return Atomics.load(cells, TURN) !== turn;
  };
  const work = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };      // ms
  /** Wait until the turn is over (true) or this process has worked for `ms` (false). */
  const done = (turn, ms) => {
    const start = Date.now(), before = work();
    for (let wait = ms; ;) {
      if (over(turn, wait)) return true;
      const wall = Date.now() - start, worked = work() - before;
      if (worked >= ms || worked < IDLE * wall || wall >= PATIENCE * ms) return false;
      wait = Math.max(10, Math.min(ms - worked, PATIENCE * ms - wall));
    }
  };
  for (;;) {
    const turn = Atomics.load(cells, TURN);
    if (!(turn & 1)) { Atomics.wait(cells, TURN, turn); continue; }
    if (done(turn, Atomics.load(cells, LIMIT))) continue;
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
  const workerData = { memory: abi.memory(), cells, parent, TRUE: abi.box(1), GRACE, LOOK, PATIENCE, IDLE, CELLS, STATES };
  new Worker(`(${keepTime})(require('worker_threads').workerData)`, { eval: true, workerData }).unref();
}

/** Begin to count `ms` of work for the cancel token (a Lean reference holding `false`). */
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
