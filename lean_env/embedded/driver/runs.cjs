'use strict';
/**
 * Reuse of tactics between texts that begin alike, by the incremental elaboration that Lean has for its editor.
 * A command leaves a tree of snapshots, one for each tactic of its proof; given to the next text's command at the same place,
 * it lets the elaborator go on from the last tactic whose syntax is the same. Messages and proof are those of a full run.
 */

const { Buffer } = require('buffer');
const abi = require('./abi.cjs');

const KEPT = 8;                   // runs of one environment

/** The latest runs after one environment. */
class Runs {
  constructor() { this.kept = []; }        // latest last: { bytes, commands: [{ position, stx, snapshot }], infos }

  /** Begin to elaborate a text: see Reuse. */
  begin(source) {
    const bytes = Buffer.from(source, 'utf8');
    let best = null, longest = 0;
    for (const run of this.kept) { const n = commonPrefix(run.bytes, bytes); if (n >= longest) [best, longest] = [run, n]; }
    if (best) this.kept.push(...this.kept.splice(this.kept.indexOf(best), 1));
    return new Reuse(this, bytes, best, longest);
  }

  keep(run) {
    this.kept.push(run);
    while (this.kept.length > KEPT) forget(this.kept.shift());
  }

  free() { this.kept.forEach(forget); }
}

const forget = run => {
  run.commands.forEach(({ stx, snapshot }) => [stx, snapshot].forEach(abi.dec));
  [...run.infos.keys()].forEach(abi.dec);
};

function commonPrefix(a, b) {
  const n = Math.min(a.length, b.length);
  if (a.compare(b, 0, n, 0, n) === 0) return n;
  let i = 0;
  while (a[i] === b[i]) i++;
  return i;
}

/** One text on its way: what it takes from an earlier run, and what it leaves. */
class Reuse {
  constructor(runs, bytes, earlier, common) { Object.assign(this, { runs, earlier, common, run: { bytes, commands: [], infos: new Map() } }); }

  /**
   * For the command (its syntax borrowed) that begins at `position` (bytes): { bundle (for its context; owned), finish }.
   * finish(drain) reads the messages (drain(log)) that went into snapshots instead of the command's own log.
   */
  command(stx, position) {
    const { W } = abi, { earlier } = this;
    // Only where all text before the command is the same is the state that it begins in the same, too.
    const old = position <= this.common && earlier?.commands.find(c => c.position === position);
    const oldSnapshot = old ? abi.some(abi.ctor(0, [abi.inc(old.stx), W.l_Lean_Language_SnapshotTask_finished___redArg(abi.nil, abi.inc(old.snapshot))])) : abi.nil;
    const promise = W.lean_io_promise_new();
    const bundle = abi.some(abi.ctor(0, [oldSnapshot, abi.inc(promise)]));
    const finish = drain => {
      const snapshot = abi.promised(promise);
      abi.dec(promise);
      if (!snapshot) return;       // the command's elaborator has none
      const all = W.l_Lean_Language_SnapshotTree_getAll(W.l_Lean_Language_instToSnapshotTreeDynamicSnapshot___lam__0(snapshot));
      for (const s of abi.arrayItems(all)) drain(abi.field(abi.field(s, 1), 0));
      abi.dec(all);
      this.run.commands.push({ position, stx: abi.inc(stx), snapshot });
    };
    return { bundle, finish };
  }

  /**
   * What is told of an info (borrowed): what `read` says, or what it said in the earlier run. Reused tactics bring the very
   * same objects along (to print the goals of a long proof again would cost more than the rest), and places stay true: all
   * text before them is the same.
   */
  remember = (info, read) => {
    const { infos } = this.run;
    if (!infos.has(info)) infos.set(abi.inc(info), this.earlier?.infos.get(info) ?? read());
    return infos.get(info);
  };

  /** Keep what the text left, if it came to its end. */
  end(completed) { if (completed && this.run.commands.length) this.runs.keep(this.run); else forget(this.run); }
}

module.exports = { Runs };
