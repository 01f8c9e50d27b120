import { readFileSync } from 'node:fs';
import { wasmUrl } from './assets.ts';

let compiled: Promise<WebAssembly.Module> | undefined;

/** Compiles the module once a process. Rejects with what the file system or V8 says. */
export function compileCore(): Promise<WebAssembly.Module> {
  compiled ??= compile();
  return compiled;
}

/**
 * Validating 1.8 MB takes 7 ms of a start, most of them for functions that a run never calls: V8 validates a function
 * when it first compiles it instead, where it has the flag. An unknown one would be told on stderr, hence the versions;
 * elsewhere other threads validate while this one loads the rest.
 */
async function compile(): Promise<WebAssembly.Module> {
  const octets = readFileSync(wasmUrl);
  const major = Number.parseInt(process.versions.node, 10);
  if (major > 26) return WebAssembly.compile(octets);
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  setFlagsFromString('--wasm-lazy-validation');
  try {
    return new WebAssembly.Module(octets);
  } finally {
    // Node keeps compiled JavaScript for the flags that it was compiled with.
    setFlagsFromString('--no-wasm-lazy-validation');
  }
}
