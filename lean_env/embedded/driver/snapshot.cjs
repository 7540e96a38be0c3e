'use strict';
/**
 * Snapshots: save the memory of a Lean that has started and imported Init, and load it in a fraction of the time of starting.
 * (The embedded module has the same addresses in every process, so that nothing has to be moved.)
 *
 * The file: the sha256 of all that follows its line; a line of JSON, the header; pages of linear memory.
 * The header: { key, pages (of the memory), runs: [[first page, how many]] (those that are not zero), globals: { name: value },
 * slots: [place in the table `symbols`] (what Lean has added to the function table, from `base` on), kept (what the driver keeps) }.
 */

const fs = require('fs');
const { Buffer } = require('buffer'), { createHash } = require('crypto');
const abi = require('./abi.cjs');

const PAGE = 65536, CHUNK = 1 << 20;
const LINE = 65;                  // bytes of the first line
const GLOBAL = /^global_[0-9]+$/; // the module's own, which patch.py exports

/** Write the present state with `write(bytes)`. `base`: the length of the function table before Lean was initialised. */
function save(write, key, base, kept) {
  const memory = new Uint8Array(abi.memory().buffer), words = new BigUint64Array(abi.memory().buffer), runs = [];
  for (let page = 0; page < memory.length / PAGE; page++) {
    if (words.subarray(page * PAGE / 8, (page + 1) * PAGE / 8).every(word => word === 0n)) continue;
    const last = runs.at(-1);
    if (last && last[0] + last[1] === page) last[1]++; else runs.push([page, 1]);
  }
  const globals = Object.fromEntries(Object.entries(abi.W).filter(([name]) => GLOBAL.test(name)).map(([name, global]) => [name, global.value]));
  const places = new Map(), slots = [];
  for (let n = 0; n < abi.W.symbols.length; n++) places.set(abi.W.symbols.get(n), n);
  for (let slot = base; slot < abi.table.length; slot++) slots.push(places.get(abi.table.get(slot)));
  if (slots.includes(undefined)) throw Error('the function table has functions that Lean did not look up');
  const header = Buffer.from(JSON.stringify({ key, pages: memory.length / PAGE, runs, globals, base, slots, kept }) + '\n', 'utf8');
  const parts = [header, ...runs.map(([page, count]) => Buffer.from(memory.slice(page * PAGE, (page + count) * PAGE)))];
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  [Buffer.from(hash.digest('hex') + '\n'), ...parts].forEach(write);
}

/**
 * The snapshot in a file: { header, putBack(addFunction) }, or a text that says why it cannot be used. All of it is read
 * once for its hash, while the module is being compiled by other threads.
 */
function open(file, key, maxBytes) {
  let fd;
  try {
    if (!fs.statSync(file).isFile()) return 'no file';
    fd = fs.openSync(file, 'r');
  } catch (error) { return error.code === 'ENOENT' ? 'missing' : 'unreadable'; }
  const start = Buffer.alloc(LINE), hash = createHash('sha256'), chunk = Buffer.allocUnsafe(CHUNK), parts = [];
  let at = fs.readSync(fd, start, 0, LINE, 0), end = -1;       // `end`: of the header
  for (let n; (n = fs.readSync(fd, chunk, 0, CHUNK, at)) > 0; at += n) {
    hash.update(chunk.subarray(0, n));
    if (end >= 0) continue;
    const found = chunk.subarray(0, n).indexOf(10);
    parts.push(Buffer.from(chunk.subarray(0, found < 0 ? n : found)));
    if (found >= 0) end = at + found + 1;
  }
  if (start.toString('latin1') !== hash.digest('hex') + '\n') return 'damaged';
  const header = JSON.parse(Buffer.concat(parts).toString('utf8'));
  if (header.key !== key) return 'of another build';
  if (header.pages * PAGE > maxBytes) return 'larger than the memory';
  return { header, putBack: addFunction => putBack(fd, end, header, addFunction) };
}

/** Replace the state of a module that has been instantiated, and not initialised, by the snapshot's. */
function putBack(fd, at, { pages, runs, globals, base, slots }, addFunction) {
  if (abi.table.length !== base) throw Error(`the snapshot's function table begins at ${base}, this one at ${abi.table.length}`);
  slots.forEach((n, k) => { if (addFunction(abi.W.symbols.get(n)) !== base + k) throw Error('the function table is not filled as it was'); });
  new Uint8Array(abi.memory().buffer).fill(0);
  abi.memory().grow(pages - abi.memoryBytes() / PAGE);
  for (const [page, count] of runs) {
    const bytes = new Uint8Array(abi.memory().buffer, page * PAGE, count * PAGE);
    for (let done = 0; done < bytes.length;) {
      const n = fs.readSync(fd, bytes, done, bytes.length - done, at);
      if (n === 0) throw Error('the snapshot ends too early');
      [done, at] = [done + n, at + n];
    }
  }
  fs.closeSync(fd);
  for (const [name, value] of Object.entries(globals)) abi.W[name].value = value;
}

module.exports = { save, open };
