'use strict';
// `node batch.cjs ROOT OLEANS FILE`: lean.js and lean.wasm in ROOT as the ordinary `lean FILE`. Exit code: Lean's.
const fs = require('fs'), path = require('path'), vm = require('vm');
const [root, oleans, file] = process.argv.slice(2), glue = path.join(root, 'lean.js');
const Module = {
  arguments: [file], thisProgram: '/lean/bin/lean',
  instantiateWasm(imports, done) {
    imports.env.getaddrinfo = Object.assign(() => 0, { sig: imports.env.getaddrinfo.sig });      // the interpreter asks: yes
    WebAssembly.compile(fs.readFileSync(path.join(root, 'lean.wasm'))).then(async m => {
      const instance = await WebAssembly.instantiate(m, imports);
      imports.env.main = instance.exports.main ?? instance.exports.__main_argc_argv;
      done(instance, m);
    });
    return {};
  },
  print: () => {}, printErr: () => {},
  preRun: [() => {
    const { FS, NODEFS } = Module;
    for (const folder of ['/lean/lib/lean', process.cwd(), root]) FS.mkdirTree(folder);    // `main` goes to the latter two
    FS.mount(NODEFS, { root: oleans }, '/lean/lib/lean');
  }],
};
process.env.LEAN_PATH = '/lean/lib/lean';
process.argv = [process.argv[0], glue, file];
const parameters = ['Module', 'require', 'process', '__filename', '__dirname'];
vm.compileFunction(fs.readFileSync(glue, 'utf8'), parameters, { filename: glue })(Module, require, process, glue, root);
