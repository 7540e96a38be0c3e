'use strict';
/**
 * Loaded before the driver by tests: takes locks off, so that another one can be tried alone. The last argument names what
 * is taken off: `imports` (the module may call everything that the glue has), `guard` (no rule for solutions is looked at),
 * `interpreter` (it may run anything; with `imports` off, too, what it
 * would have asked about is noted in the file `evaluated` of that installation).
 */

const fs = require('fs'), path = require('path'), process = require('process'), vm = require('vm');
const off = new Set(require('worker_threads').isMainThread ? process.argv.pop().split(',') : []);     // the watchdog's thread loads this, too
const replace = (file, change) => { const name = path.join(path.dirname(process.argv[1]), file); Object.assign(require(name), change(require(name))); };

if (off.has('imports')) {
  const compile = vm.compileFunction, everything = require, shown = process;
  vm.compileFunction = (...args) => { const glue = compile(...args); return (Module, _, __, ...rest) => glue(Module, everything, shown, ...rest); };
  replace('imports.cjs', () => ({ restrict(imports, own) { for (const name in own) imports[name] = Object.assign(own[name], { sig: imports[name].sig }); } }));
}
if (off.has('interpreter')) {
  const root = process.argv[process.argv.indexOf('--root') + 1];
  replace('evaluation.cjs', ({ ask, during }) => ({
    ask: (...question) => during({ guarded: false, onCode: () => { if (off.has('imports')) try { fs.appendFileSync(path.join(root, 'evaluated'), 'x'); } catch { /* another lock */ } } }, () => ask(...question)),
  }));
}
if (off.has('guard')) replace('guard.cjs', () => ({ examine: () => null, examineTactics: () => null }));
