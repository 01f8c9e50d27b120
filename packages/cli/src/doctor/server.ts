import { request } from 'node:https';
import { type CaHash, hashMismatch, type Product } from '@k3s-pki/k3s';
import type { ServerSight } from '@k3s-pki/plan';
import { openSupervisor, readCaCerts, SupervisorError } from '@k3s-pki/supervisor';
import type { Context } from '../context.ts';
import { Failure } from '../failure.ts';
import { caBundle } from '../token-source.ts';

/** Another server: its CAs, whether its certificate is theirs, its clock. No credentials are sent. */
export async function readServer(
  server: string,
  own: CaHash | undefined,
  { product, timeout }: { readonly product: Product; readonly timeout: number },
  context: Context,
): Promise<ServerSight> {
  const core = await context.core();
  const options = { product, patience: timeout * 1000, signal: context.signal };
  const hashOf = (bytes: Uint8Array) => caBundle(bytes, server, core, context).caHash.hash;
  try {
    const caHash = hashOf(await readCaCerts(server, options));
    const { host } = new URL(server);
    const at = await dateOf(server, timeout * 1000);
    const seen = {
      kind: 'seen' as const,
      host,
      ...(own === undefined || own.hash === caHash ? {} : { otherCas: hashMismatch(own.hash, caHash) }),
      ...(at === undefined ? {} : { at }),
    };
    try {
      await openSupervisor(server, { caHash, hashOf }, options);
      return seen;
    } catch (error) {
      if (!(error instanceof SupervisorError) || error.code !== 'untrusted') throw error;
      const { message: reason, mend: hint } = error;
      return { ...seen, untrusted: { reason, ...(hint === undefined ? {} : { hint }) } };
    }
  } catch (error) {
    if (error instanceof SupervisorError && error.code !== 'aborted') {
      const { message: reason, mend: hint } = error;
      return { kind: 'not-seen', reason, ...(hint === undefined ? {} : { hint }) };
    }
    if (error instanceof Failure) return { kind: 'not-seen', reason: error.messages[0]?.error ?? '' };
    throw error;
  }
}

/** The `Date` header of `/ping`, which the supervisor answers to everybody, in seconds since 1970. RFC 9110, section 6.6.1. */
function dateOf(server: string, patience: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const url = new URL('/ping', server);
    const asked = request(url, { rejectUnauthorized: false, agent: false, timeout: patience }, (response) => {
      response.resume();
      const milliseconds = Date.parse(response.headers.date ?? '');
      resolve(Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000));
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
}
