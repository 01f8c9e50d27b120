/** Where the files lie that are loaded at run time. A bundle replaces this module, and only this one. */
export const wasmUrl: URL = new URL('../wasm/k3s_pki_wasm_bg.wasm', import.meta.url);

/** The program of a key worker. */
export const workerUrl: URL = new URL('./worker.ts', import.meta.url);

/** The program of a bulk worker. */
export const bulkWorkerUrl: URL = new URL('./bulk-worker.ts', import.meta.url);
