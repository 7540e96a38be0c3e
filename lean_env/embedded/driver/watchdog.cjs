'use strict';
/**
 * Wall-clock limits. Lean occupies the main thread, so a second one keeps the time: at the limit it writes `true` into
 * Lean's cancel token (a reference in shared memory); where that is ignored for `GRACE` ms (an `#eval` loop asks
 * nobody), it kills the process, so that no process outlives its limit even when the supervisor is gone.
 */

const { Worker } = require('worker_threads');
const abi = require('./abi.cjs');

const GRACE = 2000;               // ms
const [TURN, LIMIT, ADDRESS, FIRED] = [0, 1, 2, 3];   // int32 cells; an odd turn is an armed one

const body = `
const { memory, cells, TRUE, GRACE, TURN, LIMIT, ADDRESS, FIRED } = require('worker_threads').workerData;
for (;;) {
  const turn = Atomics.load(cells, TURN);
  if (!(turn & 1)) { Atomics.wait(cells, TURN, turn); continue; }
  if (Atomics.wait(cells, TURN, turn, Atomics.load(cells, LIMIT)) !== 'timed-out' || Atomics.load(cells, TURN) !== turn) continue;
  Atomics.store(new Int32Array(memory.buffer), Atomics.load(cells, ADDRESS) >>> 2, TRUE);
  Atomics.store(cells, FIRED, 1);
  if (Atomics.wait(cells, TURN, turn, GRACE) === 'timed-out') process.kill(process.pid, 'SIGKILL');
}`;

let cells;
function start() {
  cells = new Int32Array(new SharedArrayBuffer(16));
  new Worker(body, { eval: true, workerData: { memory: abi.memory(), cells, TRUE: abi.box(1), GRACE, TURN, LIMIT, ADDRESS, FIRED } }).unref();
}

/** Begin to count `ms` for the cancel token (a Lean reference holding `false`). */
exports.arm = (ms, token) => {
  if (!cells) start();
  Atomics.store(cells, LIMIT, ms);
  Atomics.store(cells, ADDRESS, abi.refValueAddress(token) | 0);
  Atomics.store(cells, FIRED, 0);
  Atomics.add(cells, TURN, 1);
  Atomics.notify(cells, TURN);
};

/** Stop counting; true if the limit was reached. */
exports.disarm = () => {
  Atomics.add(cells, TURN, 1);
  Atomics.notify(cells, TURN);
  return Atomics.load(cells, FIRED) === 1;
};
