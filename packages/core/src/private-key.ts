import { call, type Key, release } from './engine.ts';
import { internalError } from './errors.ts';
import type { KeyFacts, PrivateKey, PrivateKeyForm } from './types.ts';

/** A key whose secret stays in WebAssembly memory. */
export class CorePrivateKey implements PrivateKey {
  readonly type: KeyFacts;
  #key: Key | undefined;

  constructor(key: Key) {
    this.#key = key;
    this.type = Object.freeze(JSON.parse(call(() => key.facts())) as KeyFacts);
  }

  toPem(form?: PrivateKeyForm): Uint8Array {
    const key = handle(this);
    return call(() => key.pem(form));
  }

  wipe(): void {
    const key = this.#key;
    this.#key = undefined;
    if (key !== undefined) {
      release(key);
    }
  }

  /** The handle in WebAssembly. Throws CoreError `internal` when the key was wiped or is not one of the core's. */
  static handle(key: PrivateKey): Key {
    if (!(key instanceof CorePrivateKey)) {
      internalError('a private key that the core did not make');
    }
    return key.#key ?? internalError('a private key that was wiped');
  }
}

export const handle: (key: PrivateKey) => Key = CorePrivateKey.handle;
