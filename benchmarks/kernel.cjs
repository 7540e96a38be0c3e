'use strict';
/**
 * Loaded before the driver by kernel.py: notes how much CPU time Lean's kernel needs for a solution's declarations (rebuild.cjs),
 * and the export for our kernel, and adds both to the export that is answered.
 */

const path = require('path'), process = require('process');
const { isMainThread } = require('worker_threads');
const seconds = {}, { cpuUsage } = process;

function timed(name, result) {
  const file = path.join(path.dirname(process.argv[1]), `${name}.cjs`), plain = require(file);
  require.cache[file].exports = (...args) => {
    const begin = cpuUsage(), found = plain(...args), { user, system } = cpuUsage(begin);
    seconds[name] = (user + system) / 1e6;
    return result(found);
  };
}

if (isMainThread) {                // the watchdog's thread loads this, too
  timed('rebuild', found => found);
  timed('export', found => ({ ...found, seconds }));
}
