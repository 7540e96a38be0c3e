'use strict';
/** Starting Lean from its files: instantiate the wasm module, close it off from the disk, initialise Lean or load a snapshot. */

const fs = require('fs'), path = require('path'), process = require('process'), vm = require('vm');
const { Buffer } = require('buffer'), { randomFillSync } = require('crypto');
const abi = require('./abi.cjs');
const evaluation = require('./evaluation.cjs');
const { restrict } = require('./imports.cjs');

const STACK = 128 << 20;          // region given to Lean's own stack; the build's default of 64 KB overflows silently
const STACK_GUARD = 16 << 20;     // Lean reports deep recursion here, before V8's native stack runs out

const OLEANS = '/lean/lib/lean';  // where Lean, told that it lives in /lean, looks for compiled modules

// What Lean itself wrote to its standard error, the end of it: it says there why it gives up ("INTERNAL PANIC: out of memory").
let lastWords = [];
const TRACE = /^(\[DEBUG|  )|^[^\[]*needsData=/;   // of the port: what it imports
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

/** Give lean.wasm its `invoke_…` imports and its function table (see invoke.py): { table, attach(exports of lean.wasm) }. */
function exceptions(root, imports) {
  let lean;
  const js = { tag: WebAssembly.JSTag, isNumber: thrown => typeof thrown === 'number' ? 1 : 0,
    setStack: address => lean._emscripten_stack_restore(address), setThrew: (threw, value) => lean.setThrew(threw, value) };
  const helper = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(path.join(root, 'invoke.wasm'))), { js }).exports;
  Object.assign(imports, helper);
  const table = helper.__indirect_function_table;
  return { table, attach: exported => { lean = exported; table.set(table.length - 1, lean.emscripten_stack_get_current); } };
}

/** What `dlsym` answers: an address of data, a slot of the function table, or 0. The names are read when the first one is asked for. */
function lookUp(root, addFunction) {
  let found;
  return name => {
    found ??= new Map(fs.readFileSync(path.join(root, 'symbols.txt'), 'utf8').trimEnd().split('\n').map((line, n) => {
      const [symbol, address] = line.split(' ');
      return [symbol, address === undefined ? { n } : { address: Number(address) }];
    }));
    const symbol = found.get(name);
    return symbol === undefined ? 0 : symbol.address ?? addFunction(abi.W.symbols.get(symbol.n));
  };
}

/** Reading files of one folder, with Node's names: all that the glue is given of `fs`. Everything else is missing there. */
function readOnly(folder) {
  const inside = file => {
    const full = path.resolve(file);
    if (full !== folder && !full.startsWith(folder + path.sep)) throw Object.assign(Error('outside of the folder'), { code: 'EACCES', errno: -13 });
    return full;
  };
  const onPath = name => (file, ...rest) => fs[name](inside(file), ...rest);
  return {
    constants: fs.constants, readSync: fs.readSync, closeSync: fs.closeSync, fstatSync: fs.fstatSync,
    openSync: file => fs.openSync(inside(file), 'r'),
    ...Object.fromEntries(['statSync', 'lstatSync', 'readdirSync'].map(name => [name, onPath(name)])),
  };
}

/** The names that JavaScript itself defines, and what the glue still looks up when Lean runs: all others are deleted. */
function clearGlobals() {
  const kept = new Set([...vm.runInNewContext('Object.getOwnPropertyNames(globalThis)'), 'performance', 'TextDecoder']);
  for (const name of Object.getOwnPropertyNames(globalThis)) if (!kept.has(name)) delete globalThis[name];
}

/**
 * Start Lean from `<root>/lean.js`, `lean.wasm`, `invoke.wasm` and the folder `oleans` of compiled modules; or, with a
 * `snapshot` ((maxBytes) => see snapshot.cjs), put that state back. `maxBytes` bounds the memory of the instance; growth
 * beyond it aborts the process. Returns { base (the length of the function table before Lean was initialised), snapshot }.
 */
function boot(root, maxBytes, snapshot = null) {
  const glue = path.join(root, 'lean.js'), oleans = path.join(path.resolve(root), 'oleans');
  const modules = { fs: readOnly(oleans), util: { inspect: String }, crypto: { randomFillSync }, worker_threads: { isMainThread: true } };
  let found;
  return new Promise((resolve, reject) => {
    const fail = what => error => reject(Error(`${what}: ${error && error.message || error}`));
    const Module = {
      maxBytes, lookUp: lookUp(root, f => Module.addFunction(f)), noInitialRun: true, arguments: [], thisProgram: '/lean/bin/lean',
      print: () => {}, printErr: () => {},
      instantiateWasm(imports, done) {
        restrict(imports.env, { [evaluation.ASKED]: evaluation.ask });
        const { table, attach } = exceptions(root, imports.env);
        const bytes = fs.readFileSync(path.join(root, 'lean.wasm')), compiled = WebAssembly.compile(bytes);
        bytes.buffer.transfer(0);         // it has been copied: 116 MB that nobody needs any more
        found = snapshot?.();    // meanwhile
        compiled.then(module => WebAssembly.instantiate(module, imports).then(instance => {
          attach(instance.exports);
          abi.attach(instance.exports, imports.env.memory, { table, addFunction: Module.addFunction, lookUp: Module.lookUp });
          done(instance, module);
        })).catch(fail('lean.wasm'));
        return {};
      },
      preRun: [() => {
        const { FS, NODEFS } = Module;
        FS.init(() => null, () => {}, hear);
        closeOff(FS, NODEFS);
        FS.mkdirTree(OLEANS);
        FS.mkdirTree('/sandbox');
        FS.mount(NODEFS, { root: oleans }, OLEANS);
        FS.chdir('/sandbox');
      }],
      onRuntimeInitialized() {
        try {
          const base = abi.table.length;
          if (found?.putBack) found.putBack(Module.addFunction); else initialise();
          hasFile = file => Module.FS.analyzePath(file).exists;
          exceptionText = pointer => Module.getExceptionMessage(pointer).join(': ');
          clearGlobals();
          resolve({ base, snapshot: found });
        } catch (error) { fail('initialisation')(error); }
      },
    };
    const shown = { versions: process.versions, platform: process.platform, argv: [process.argv[0], glue], release: process.release };
    const parameters = ['Module', 'require', 'process', '__filename', '__dirname'];
    vm.compileFunction(fs.readFileSync(glue, 'utf8'), parameters, { filename: glue })(Module, name => modules[name], shown, glue, root);
  });
}

let hasFile, exceptionText;        // of the glue's, once it runs

/** Is there a compiled module of that name (as a header writes it)? */
const hasModule = name => hasFile(`${OLEANS}/${name.replace(/[«»]/g, '').replaceAll('.', '/')}.olean`);

module.exports = { boot, hasModule, thrownText: pointer => exceptionText(pointer), lastWords: () => Buffer.from(lastWords).toString('utf8').split('\n').filter(line => !TRACE.test(line)).join('\n').trim() };
