'use strict';
// `node batch.cjs ROOT OLEANS FILE`: lean.js and lean.wasm in ROOT as the ordinary `lean FILE`. Exit code: Lean's.
const fs = require('fs'), path = require('path'), vm = require('vm');
const [root, oleans, file] = process.argv.slice(2), glue = path.join(root, 'lean.js');
Object.assign(globalThis, { require, __filename: glue, __dirname: root });
globalThis.Module = {
  arguments: [file], thisProgram: '/lean/bin/lean',
  instantiateWasm(imports, done) {
    WebAssembly.compile(fs.readFileSync(path.join(root, 'lean.wasm'))).then(async m => done(await WebAssembly.instantiate(m, imports), m));
    return {};
  },
  print: () => {}, printErr: () => {},
  preRun: [() => {
    for (const folder of ['/lean/lib/lean', process.cwd(), root]) FS.mkdirTree(folder);    // `main` goes to the latter two
    FS.mount(NODEFS, { root: oleans }, '/lean/lib/lean');
  }],
};
process.env.LEAN_PATH = '/lean/lib/lean';
process.argv = [process.argv[0], glue, file];
vm.runInThisContext(fs.readFileSync(glue, 'utf8'), { filename: glue });
