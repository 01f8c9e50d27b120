import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocks } from '../cli/program.ts';
import { type Ca, type CaSpec, makeCa } from './pki-variants.ts';

/** A change to a set of CAs: gets its tls folder. */
export type Change = (tls: string) => void;

/** Writes a file anew from what it holds. */
export function rewritten(file: string, change: (content: string) => string | Uint8Array): Change {
  return (tls) => writeFileSync(join(tls, file), change(readFileSync(join(tls, file), 'utf8')));
}

/** Puts a CA of another kind in the place of one of the five, below the same intermediate. */
export function exchangedBelow(upper: () => Ca, name: string, spec: CaSpec): Change {
  return (tls) => {
    const made = makeCa({ name: 'test-exchanged', ...spec }, upper());
    rewritten(`${name}.crt`, (bundle) => [made.certificate, ...blocks(bundle).slice(1)].join(''))(tls);
    writeFileSync(join(tls, `${name}.key`), made.key);
  };
}
