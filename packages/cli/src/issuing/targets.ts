import type { Writable } from 'node:stream';
import type { OutputFile } from '@k3s-pki/stage';
import type { ByteTarget } from './tar.ts';

/** A stream that stays open at the end, such as standard output. A closed pipe is the program's to answer (`main.ts`). */
export function streamTarget(stream: Writable): ByteTarget {
  return {
    write: (chunk) =>
      new Promise((resolve, reject) => {
        stream.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    finish() {},
    abandon() {},
  };
}

export function fileTarget(file: OutputFile): ByteTarget {
  return {
    write: (chunk) => file.write(chunk),
    finish: () => file.finish(),
    abandon: () => file.abandon(),
  };
}
