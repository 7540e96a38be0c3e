'use strict';
/**
 * The allow-list of the wasm module's imports. The glue offers it some 2,000 functions of a browser page and of Node (`eval`, sockets,
 * `system`, `dlopen`, graphics, sound, …). Lean needs the few named here to start and to elaborate; all others throw.
 */

const ALLOWED = new Set([
  // C++ exceptions
  '__cxa_begin_catch', '__cxa_end_catch', '__cxa_throw', '__cxa_rethrow', '__cxa_uncaught_exceptions', '__cxa_current_primary_exception',
  '__cxa_rethrow_primary_exception', '__resumeException', 'llvm_eh_typeid_for',
  // memory, time, and the function table (`dlsym` knows the module's own exports only: see patch.py)
  'emscripten_resize_heap', 'clock_time_get', 'emscripten_get_now', '_dlsym_js', '_dlsym_catchup_js',
  // files of the read-only file system that boot.cjs makes, and the messages that Lean writes to its standard error
  '__syscall_openat', '__syscall_stat64', '__syscall_fstat64', '__syscall_getcwd', '__syscall_ioctl', 'fd_close', 'fd_read', 'fd_seek', 'fd_write',
  // the start and the end
  '_emscripten_init_main_thread_js', '_emscripten_get_progname', 'environ_get', 'environ_sizes_get', 'exit',
]);
const FAMILIES = /^(invoke_[a-z]+|__cxa_find_matching_catch_[0-9]+)$/;     // one for each signature

// What is called, but does nothing here: traces of the port, and threads, of which there is one.
const ANSWERED = {
  emscripten_asm_const_int: () => 0, _emscripten_thread_mailbox_await: () => {}, _emscripten_dlsync_threads: () => {},
  emscripten_num_logical_cores: () => 1,
};

class Forbidden extends Error {}

/** Change the imports (name → function) so that only the allowed ones work, and `own` (name → function) as it is given. */
function restrict(imports, own) {
  const refusals = new Map();      // one for each signature, since the glue wraps each function that it puts into the table
  for (const [name, value] of Object.entries(imports)) {
    if (typeof value !== 'function' || ALLOWED.has(name) || FAMILIES.test(name)) continue;
    const { sig } = value;
    if (!refusals.has(sig)) refusals.set(sig, Object.assign(() => { throw new Forbidden(`the module called a function that it may not call (its signature: ${sig})`); }, { sig }));
    imports[name] = refusals.get(sig);
  }
  for (const [name, value] of Object.entries({ ...ANSWERED, ...own })) imports[name] = Object.assign(value, { sig: imports[name].sig });
}

module.exports = { restrict };
