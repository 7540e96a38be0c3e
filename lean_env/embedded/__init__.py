"""The embedded Lean: its installation, the patches to its WebAssembly build, and the driver that runs it in Node."""
