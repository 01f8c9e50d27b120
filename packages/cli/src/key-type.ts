import type { KeyType } from '@k3s-pki/core';
import { makeValidator } from 'typanion';

/** `rsa:2048` to `rsa:8192` in steps of 64 bits, `ec:p256`, `ec:p384`, `ec:p521`, `ed25519`. */
export const isKeyType = makeValidator<unknown, KeyType>({
  test: (value, state): value is KeyType => {
    const text = typeof value === 'string' ? value : '';
    const bits = Number(/^rsa:(\d{4})$/.exec(text)?.[1]);
    if (/^(ec:p(256|384|521)|ed25519)$/.test(text) || (bits >= 2048 && bits <= 8192 && bits % 64 === 0)) return true;
    state?.errors?.push(
      `${state.p ?? '.'}: Expected rsa:2048 to rsa:8192 (in steps of 64), ec:p256, ec:p384, ec:p521 or ed25519 (got ${JSON.stringify(value)})`,
    );
    return false;
  },
});
