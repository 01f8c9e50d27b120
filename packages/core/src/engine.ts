import * as wasm from '../wasm/k3s_pki_wasm.js';
import { compileCore } from './compile.ts';
import { coreError, internalError } from './errors.ts';

export type { Key } from '../wasm/k3s_pki_wasm.js';
export { wasm };

/** Compiles the module once a process and starts it once a thread. Throws CoreError `internal`. */
export async function load(): Promise<WebAssembly.Module> {
  let module: WebAssembly.Module;
  try {
    module = await compileCore();
  } catch (cause) {
    internalError('the WebAssembly core cannot be loaded', cause);
  }
  start(module);
  return module;
}

/** Starts a module that was compiled already, as a worker gets it. A second start changes nothing. */
export function start(module: WebAssembly.Module): void {
  wasm.initSync({ module });
}

/** A trap leaves the stack pointer and half-changed memory behind: nothing that comes after it can be trusted. */
let trapped: unknown;

/** Calls into WebAssembly; what it throws becomes a CoreError. After a trap every call throws `internal`. */
export function call<T>(run: () => T): T {
  if (trapped !== undefined) {
    internalError('the WebAssembly core stopped unexpectedly before: start the program again', trapped);
  }
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof WebAssembly.RuntimeError) {
      trapped = thrown;
    }
    throw coreError(thrown);
  }
}

/** Frees, and so wipes, what lies in WebAssembly. After a trap it is left alone: freeing could trap once more. */
export function release(owned: { free(): void }): void {
  if (trapped === undefined) {
    owned.free();
  }
}
