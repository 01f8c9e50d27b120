import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a link does with the bytes of one way: passes them on, or drops them while the connection stays open. */
type Way = 'open' | 'lost';

/** A port that leads to another one. */
export interface Link {
  readonly port: number;
  /** From now on nothing of that way arrives on the connections that are open now. */
  lose(way: 'requests' | 'answers'): void;
  /** Resolves when something was lost. */
  lost(): Promise<void>;
  /** Cuts the connections that are open now. */
  cut(): void;
  close(): void;
}

interface Connection {
  readonly sockets: readonly [near: Socket, far: Socket];
  readonly ways: { requests: Way; answers: Way };
}

/** Opens a link to a port of the loopback address. `rate` is in bytes a second each way; absent: as fast as it gets. */
export async function openLink(port: number, rate = Number.POSITIVE_INFINITY): Promise<Link> {
  const connections = new Set<Connection>();
  let heard: () => void = () => {};
  const passage = (ways: Connection['ways'], way: keyof Connection['ways']) =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        if (ways[way] === 'lost') {
          heard();
          done();
        } else if (rate === Number.POSITIVE_INFINITY) done(null, chunk);
        else sleep((chunk.length / rate) * 1000).then(() => done(null, chunk));
      },
    });
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    const connection: Connection = { sockets: [near, far], ways: { requests: 'open', answers: 'open' } };
    connections.add(connection);
    for (const [from, to, way] of [
      [near, far, 'requests'],
      [far, near, 'answers'],
    ] as const) {
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(passage(connection.ways, way)).pipe(to);
    }
    near.on('close', () => connections.delete(connection));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  const cut = () => {
    for (const { sockets } of connections) for (const socket of sockets) socket.destroy();
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    lose(way) {
      for (const { ways } of connections) ways[way] = 'lost';
    },
    lost: () => new Promise((resolve) => (heard = resolve)),
    cut,
    close() {
      server.close();
      cut();
    },
  };
}
