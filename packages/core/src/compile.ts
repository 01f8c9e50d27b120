import { readFileSync } from 'node:fs';
import { wasmUrl } from './assets.ts';
import { setFlag } from './v8-flags.ts';

let compiled: Promise<WebAssembly.Module> | undefined;

/** Compiles the module once a process. Rejects with what the file system or V8 says. */
export function compileCore(): Promise<WebAssembly.Module> {
  compiled ??= compile();
  return compiled;
}

/**
 * Validating 1.8 MB takes 7 ms of a start, most of them for functions that a run never calls: V8 validates a function
 * when it first compiles it instead. Without the flag other threads validate while this one loads the rest.
 */
async function compile(): Promise<WebAssembly.Module> {
  const octets = readFileSync(wasmUrl);
  if (!setFlag('--wasm-lazy-validation')) return WebAssembly.compile(octets);
  try {
    return new WebAssembly.Module(octets);
  } finally {
    // Node keeps compiled JavaScript for the flags that it was compiled with.
    setFlag('--no-wasm-lazy-validation');
  }
}
