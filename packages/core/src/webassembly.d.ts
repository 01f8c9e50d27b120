/** The part of the WebAssembly namespace that the core uses: neither `esnext` nor Node's types declare it. */
declare namespace WebAssembly {
  class Module {
    constructor(octets: Uint8Array);
    readonly [Symbol.toStringTag]: string;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  interface Table {
    readonly length: number;
  }
  class RuntimeError extends Error {}
  function compile(octets: Uint8Array): Promise<Module>;
}
