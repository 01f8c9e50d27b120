import { readFileSync } from 'node:fs';
import { wasmUrl } from './assets.ts';

let compiled: Promise<WebAssembly.Module> | undefined;

/**
 * Compiles the module once a process, on V8's other threads. A program that will need the core calls this first and
 * loads the rest meanwhile: the 7 ms are hidden then. Rejects with what the file system or V8 says.
 */
export function compileCore(): Promise<WebAssembly.Module> {
  compiled ??= compile();
  return compiled;
}

async function compile(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(readFileSync(wasmUrl));
}
