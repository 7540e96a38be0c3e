'use strict';
/** From files to a running Lean: instantiates the wasm module, closes it off from the disk, initialises Lean. */

const fs = require('fs'), path = require('path'), vm = require('vm');
const abi = require('./abi.cjs');

const STACK = 128 << 20;          // region given to Lean's own stack; the build's default of 64 KB overflows silently
const STACK_GUARD = 16 << 20;     // Lean reports deep recursion here, before V8's native stack runs out

const OLEANS = '/lean/lib/lean';  // where Lean, told that it lives in /lean, looks for compiled modules

// What Lean itself wrote to its standard error, the end of it: it says there why it gives up ("INTERNAL PANIC: out of memory").
let lastWords = [];
const hear = byte => { lastWords.push(byte ?? 10); if (lastWords.length > 1000) lastWords = lastWords.slice(-500); };

/** Make the Node file system of the module read-only: `#eval` of IO runs natively and must not reach the disk. */
function closeOff(FS, NODEFS) {
  const EROFS = 69, ACCESS = 3, CREATE = 64, TRUNCATE = 512;
  const refuse = () => { throw new FS.ErrnoError(EROFS); };
  for (const operation of ['mknod', 'rename', 'unlink', 'rmdir', 'symlink', 'setattr']) NODEFS.node_ops[operation] = refuse;
  NODEFS.stream_ops.write = refuse;
  NODEFS.stream_ops.allocate = refuse;
  const open = NODEFS.stream_ops.open;
  NODEFS.stream_ops.open = stream => { if ((stream.flags & ACCESS) || (stream.flags & (CREATE | TRUNCATE))) refuse(); return open(stream); };
}

/** Lean's initialisation, in the only order that works for this build. */
function initialise() {
  const { W } = abi;
  const low = (W.malloc(STACK) + 15) & ~15, high = (low + STACK - 64) & ~15;
  W.emscripten_stack_set_limits(high, high - STACK_GUARD);
  W._emscripten_stack_restore(high);
  W.lean_initialize();
  // lean_init_search_path would stat the application's own path, which does not exist here.
  abi.dec(abi.io(W.l_Lean_initSearchPath(abi.string('/lean'), abi.nil), 'search path'));
  W.lean_enable_initializer_execution();
  W.lean_io_mark_end_initialization();
  W.lean_init_task_manager_using(1);   // tasks run inline; with 0 workers promises assert
}

/**
 * Start Lean from `<root>/lean.js`, `<root>/lean.wasm` and the folder `<root>/oleans` of compiled modules.
 * `maxBytes` bounds the memory of the instance; growth beyond it aborts the process.
 */
function boot(root, maxBytes) {
  const glue = path.join(root, 'lean.js');
  return new Promise((resolve, reject) => {
    const fail = what => error => reject(Error(`${what}: ${error && error.message || error}`));
    globalThis.__MAX_BYTES = maxBytes;
    Object.assign(globalThis, { require, __filename: glue, __dirname: root });
    globalThis.Module = {
      noInitialRun: true, arguments: [], thisProgram: '/lean/bin/lean',
      print: () => {}, printErr: () => {},
      instantiateWasm(imports, done) {
        WebAssembly.compile(fs.readFileSync(path.join(root, 'lean.wasm')))
          .then(async module => done(await WebAssembly.instantiate(module, imports), module))
          .catch(fail('lean.wasm'));
        return {};
      },
      preRun: [() => {
        const { FS, NODEFS } = globalThis;
        FS.init(() => null, () => {}, hear);
        closeOff(FS, NODEFS);
        FS.mkdirTree(OLEANS);
        FS.mkdirTree('/sandbox');
        FS.mount(NODEFS, { root: path.join(root, 'oleans') }, OLEANS);
        FS.chdir('/sandbox');
      }],
      onRuntimeInitialized() {
        try {
          abi.attach(globalThis.wasmExports, globalThis.wasmMemory);
          globalThis.out = globalThis.err = () => {};
          initialise();
          resolve();
        } catch (error) { fail('initialisation')(error); }
      },
    };
    const argv = process.argv;
    process.argv = [argv[0], glue];    // the glue reads its own name there
    try { vm.runInThisContext(fs.readFileSync(glue, 'utf8'), { filename: glue }); } finally { process.argv = argv; }
  });
}

/** Is there a compiled module of that name (as a header writes it)? */
const hasModule = name => globalThis.FS.analyzePath(`${OLEANS}/${name.replace(/[«»]/g, '').replaceAll('.', '/')}.olean`).exists;

module.exports = { boot, hasModule, lastWords: () => Buffer.from(lastWords).toString('utf8').trim() };
