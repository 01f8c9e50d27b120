import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Certificate, Core } from '@k3s-pki/core';
import { type ListenerState, listenerState } from '@k3s-pki/plan';
import { type Endpoint, endpointOf, endpointText, servedChain } from '../checking/endpoints.ts';
import { pemOf } from '../checking/pieces.ts';
import type { Context } from '../context.ts';
import { exitCode, Failure } from '../failure.ts';
import { asFailure } from '../failures.ts';
import { describeCheckProblem } from '../messages/english/check.ts';
import { day } from '../messages/english.ts';
import { isoTime, type OutputFormat, writeStructured } from '../render/structured.ts';
import { aligned } from '../render/text.ts';
import { painter } from '../terminal.ts';
import { type CaBundle, readCaBundle } from '../token-source.ts';
import { version } from '../version.ts';
import { failOnCode } from './certificate-check.ts';

/** Checked options of the command. Paths may be relative to the working directory. */
export interface RotateCaStatusOptions {
  /** The new server CA bundle, or a folder that has it. */
  readonly ca: string;
  /** One node a line: `server HOST`, `agent HOST`, or `HOST:PORT`. */
  readonly nodes: string | undefined;
  readonly connect: readonly Endpoint[];
  readonly seconds: number;
  readonly output: OutputFormat;
}

/** What one listener serves. */
export type Listener = { readonly endpoint: string } & (
  | { readonly state: ListenerState; readonly leaf: Certificate }
  | { readonly state: 'unreachable'; readonly reason: string }
);

/** As many listeners are asked at once: a fleet with dead nodes must not wait for one after the other. */
const atOnce = 32;
/** Where each role listens with a certificate of the server CA. Source: K3s's ports: supervisor and API server, kubelet. */
const ports = { server: [6443, 10_250], agent: [10_250] } as const;

/** Asks every listener; answers 0 when all serve the new chain, 3 when some do not. Throws Failure. */
export async function rotateCaStatus(options: RotateCaStatusOptions, context: Context): Promise<number> {
  try {
    const { output } = options;
    const bundle = await readCaBundle(options.ca, context);
    const endpoints = [...options.connect, ...(options.nodes === undefined ? [] : readNodes(options.nodes, context))];
    if (endpoints.length === 0) {
      throw new Failure([{ error: 'no node was named', hint: '--nodes FILE, or --connect HOST:PORT' }], {
        code: exitCode.usage,
      });
    }
    const listeners = await askAll(endpoints, bundle, options.seconds, context);
    const done = listeners.every(({ state }) => state === 'new');
    if (output !== 'text') await writeStructured(context.stdout, output, statusJson(listeners, bundle, done));
    else context.stdout.write(statusText(listeners, bundle, context.stdout));
    return done ? exitCode.done : failOnCode;
  } catch (error) {
    throw asFailure(error);
  }
}

function readNodes(file: string, { cwd }: Context): Endpoint[] {
  const path = resolve(cwd, file);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Failure([{ error: `${path}: ${missing ? 'there is no such file' : 'cannot be read'}` }], { cause });
  }
  const bad: string[] = [];
  const endpoints = text.split('\n').flatMap((line, index): Endpoint[] => {
    const words = line.replace(/#.*/, '').trim().split(/\s+/);
    const [first = '', second] = words;
    if (first === '') return [];
    const role = second === undefined ? undefined : first === 'server' || first === 'agent' ? first : 'unknown';
    const endpoint = words.length > 2 || role === 'unknown' ? undefined : endpointOf(second ?? first);
    if (endpoint === undefined) {
      bad.push(`line ${index + 1}`);
      return [];
    }
    const named = /:\d+$/.test((second ?? first).replace(/^\[.*\]/, ''));
    if (role === undefined || named) return [endpoint];
    return ports[role as 'server' | 'agent'].map((port) => ({ host: endpoint.host, port }));
  });
  if (bad.length === 0) return endpoints;
  throw new Failure(
    bad.map((line) => ({ error: `${path}: ${line}: not a node`, hint: '"server HOST", "agent HOST" or "HOST:PORT"' })),
  );
}

async function askAll(
  endpoints: readonly Endpoint[],
  { certificates }: CaBundle,
  seconds: number,
  context: Context,
): Promise<Listener[]> {
  const core = await context.core();
  const [first, ...rest] = certificates;
  if (first === undefined) throw new Failure([{ error: 'the bundle holds no certificate' }]);
  const at = Math.floor(context.clock() / 1000);
  const listeners: Listener[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < endpoints.length; index = next++) {
      const endpoint = endpoints[index] as Endpoint;
      context.signal.throwIfAborted();
      const served = await servedChain(endpoint, { serverName: undefined, seconds, signal: context.signal });
      listeners[index] = judged(endpointText(endpoint), served, [first, ...rest], core, at);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, endpoints.length) }, work));
  return listeners;
}

function judged(
  endpoint: string,
  served: Awaited<ReturnType<typeof servedChain>>,
  bundle: readonly [Certificate, ...Certificate[]],
  core: Core,
  at: number,
): Listener {
  if ('code' in served) return { endpoint, state: 'unreachable', reason: describeCheckProblem(served) };
  const [leaf, ...sent] = served.flatMap((der) => certificateOf(der, core));
  if (leaf === undefined) return { endpoint, state: 'unreachable', reason: 'serves no certificate that can be read' };
  return { endpoint, state: listenerState([leaf, ...sent], bundle, core, at), leaf };
}

function certificateOf(der: Uint8Array, core: Core): Certificate[] {
  return core.inspect(pemOf(der)).flatMap((block) => (block.kind === 'certificate' ? [block.certificate] : []));
}

const words: Readonly<Record<Listener['state'], string>> = {
  new: 'new',
  old: 'old, still trusted: restart it',
  refused: 'old, refused by the new CAs: restart it',
  unreachable: 'no answer',
};

function statusText(listeners: readonly Listener[], { from }: CaBundle, stdout: Context['stdout']): string {
  const paint = painter(stdout);
  const rows = listeners.map((listener) => [
    listener.endpoint,
    listener.state === 'unreachable' ? `${words.unreachable}: ${listener.reason}` : words[listener.state],
    listener.state === 'unreachable' ? '' : `${listener.leaf.issuer}, expires ${day(listener.leaf.notAfter)}`,
  ]);
  const [head = '', ...lines] = aligned([['listener', 'chain', 'issuer'], ...rows]);
  const left = listeners.filter(({ state }) => state !== 'new').length;
  const sum =
    left === 0
      ? `${paint('green', '✔')} all ${listeners.length} listeners serve the chain of ${from}`
      : `${paint('yellow', '!')} ${left} of ${listeners.length} listeners do not serve the chain of ${from}`;
  return [paint('dim', head), ...lines, '', sum, ''].join('\n');
}

function statusJson(listeners: readonly Listener[], { from, caHash }: CaBundle, done: boolean) {
  return {
    command: 'certificate rotate-ca status',
    ok: done,
    version,
    bundle: from,
    caHash: caHash.hash,
    listeners: listeners.map((listener) => ({
      endpoint: listener.endpoint,
      state: listener.state,
      ...(listener.state === 'unreachable'
        ? { reason: listener.reason }
        : {
            subject: listener.leaf.subject,
            issuer: listener.leaf.issuer,
            notAfter: isoTime(listener.leaf.notAfter),
            sha256: listener.leaf.sha256,
          }),
    })),
  };
}
