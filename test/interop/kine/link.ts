import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** A port that leads to another one through a link of so many bytes a second each way. */
export async function slowLink(port: number, rate: number): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const throttle = () =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        sleep((chunk.length / rate) * 1000).then(() => done(null, chunk));
      },
    });
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(throttle()).pipe(to);
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
