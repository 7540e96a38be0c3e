'use strict';
/**
 * Who calls some functions of lean.wasm, by its machine code: node calls.cjs FOLDER NAME… → {name: [names of those that call it]}.
 * The functions that have no name are parts of those that call them, or that make closures of them.
 */

const fs = require('fs'), path = require('path');
const [folder, ...wanted] = process.argv.slice(2);
const code = fs.readFileSync(path.join(folder, 'lean.wasm'));

let at = 8;
function unsigned() { let n = 0, shift = 0, byte; do { byte = code[at++]; n += (byte & 127) * 2 ** shift; shift += 7; } while (byte & 128); return n; }
function signed() { const start = at, n = unsigned(), bits = 7 * (at - start); return n >= 2 ** (bits - 1) ? n - 2 ** bits : n; }
const skip = () => { while (code[at++] & 128); };
const text = () => { const size = unsigned(); at += size; return code.toString('utf8', at - size, at); };

const sections = {};
while (at < code.length) { const id = code[at++], size = unsigned(); sections[id] = at; at += size; }

// ---- names ----
const [IMPORTS, EXPORTS, ELEMENTS, CODE] = [2, 7, 9, 10], [FUNCTION, TABLE, MEMORY, GLOBAL] = [0, 1, 2, 3];
let imported = 0;
at = sections[IMPORTS];
const limits = () => { const bounded = code[at++] & 1; skip(); if (bounded) skip(); };
for (let left = unsigned(); left--;) {
  text(); text();
  const kind = code[at++];
  if (kind === FUNCTION) { skip(); imported++; } else if (kind === TABLE) { at++; limits(); } else if (kind === MEMORY) limits(); else if (kind === GLOBAL) at += 2; else { at++; skip(); }
}
const names = new Map();           // function -> name
at = sections[EXPORTS];
for (let left = unsigned(); left--;) { const name = text(), kind = code[at++], index = unsigned(); if (kind === FUNCTION && index >= imported) names.set(index, name); }
const tables = [new Map(), new Map()];       // place -> function; the second one has the functions that are looked up by name
at = sections[ELEMENTS];
for (let left = unsigned(); left--;) {
  const table = unsigned() === 2 ? unsigned() : 0;
  at++;
  const first = signed();
  at++;
  if (table) at++;
  for (let k = 0, count = unsigned(); k < count; k++) tables[table].set(first + k, unsigned());
}
const symbols = fs.readFileSync(path.join(folder, 'symbols.txt'), 'utf8').split('\n').filter(line => line && !line.includes(' '));
for (const [place, f] of tables[1]) if (!(names.get(f)?.length < symbols[place].length)) names.set(f, symbols[place]);

// ---- calls ----
const callers = new Map(), makers = new Map();        // function -> those that call it, that make a closure of it
const note = (map, key, value) => { if (!map.has(key)) map.set(key, new Set()); map.get(key).add(value); };
const IMMEDIATES = new Map();      // opcode -> how many numbers follow
for (const op of [0x02, 0x03, 0x04, 0x06, 0x07, 0x08, 0x09, 0x0c, 0x0d, 0x18, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x3f, 0x40, 0x42, 0xd0, 0xd2]) IMMEDIATES.set(op, 1);
for (let op = 0x28; op <= 0x3e; op++) IMMEDIATES.set(op, 2);
IMMEDIATES.set(0x11, 2);
const [CALL, CONST, STORE, F32, F64, BRANCHES, MORE, VECTOR, ATOMIC] = [0x10, 0x41, 0x36, 0x43, 0x44, 0x0e, 0xfc, 0xfd, 0xfe];
const CODE_OF_CLOSURE = 8;         // where a closure object has its function

function instruction(f) {
  const op = code[at++];
  if (op === CALL) note(callers, unsigned(), f);
  else if (op === CONST) {
    const value = signed();
    if (code[at] === STORE && code[at + 2] === CODE_OF_CLOSURE && tables[0].has(value)) note(makers, tables[0].get(value), f);
  } else if (op === F32) at += 4;
  else if (op === F64) at += 8;
  else if (op === BRANCHES) for (let left = unsigned() + 1; left--;) skip();
  else if (op === MORE) { const which = unsigned(); if (which >= 8) skip(); if ([8, 10, 12, 14].includes(which)) skip(); }
  else if (op === ATOMIC) { if (unsigned() === 3) at++; else { skip(); skip(); } }
  else if (op === VECTOR) {
    const which = unsigned();
    if (which === 12 || which === 13) at += 16;
    else if (which <= 11 || (which >= 84 && which <= 93)) { skip(); skip(); }
    if ((which >= 21 && which <= 34) || (which >= 84 && which <= 91)) at++;
  } else for (let left = IMMEDIATES.get(op) ?? 0; left--;) skip();
}

at = sections[CODE];
for (let f = imported, left = unsigned(); left--; f++) {
  const size = unsigned(), end = at + size;
  for (let groups = unsigned(); groups--;) { skip(); at++; }
  while (at < end) instruction(f);
  if (at !== end) throw new Error(`function ${f} does not end where it should`);
}

// ---- answer ----
/** Names of the functions that lead to `f` without another one that has a name. */
function users(f, seen = new Set()) {
  for (const user of [...callers.get(f) ?? [], ...makers.get(f) ?? []]) {
    if (seen.has(user)) continue;
    seen.add(user);
    if (!names.has(user)) users(user, seen);
  }
  return seen;
}
const found = new Map([...names].map(([f, name]) => [name, f])), answer = {};
for (const name of wanted) answer[name] = found.has(name) ? [...users(found.get(name))].filter(f => names.has(f)).map(f => names.get(f)).sort() : null;
process.stdout.write(JSON.stringify(answer));
