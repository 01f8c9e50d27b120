import { topologyOf } from '@k3s-pki/k3s';
import { readCaSet, unreadableIn } from '../ca-set.ts';
import type { Context } from '../context.ts';
import { exitCode, Failure } from '../failure.ts';
import { writeMessages } from '../render/messages.ts';
import { writeStructured } from '../render/structured.ts';
import { topologyJson, topologyText } from '../render/topology.ts';

/** What the tree can be printed as. */
export const topologyFormats = ['text', 'json', 'yaml', 'mermaid', 'svg'] as const;
export type TopologyFormat = (typeof topologyFormats)[number];

/** Reads the CAs in a folder and prints how they hang together. Answers the exit code; throws Failure without any CA. */
export async function topology(dir: string, output: TopologyFormat, context: Context): Promise<number> {
  const { stdout } = context;
  const { report, unreadable } = await drawn(dir, context);
  writeMessages('warning', unreadable, context);
  switch (output) {
    case 'text':
      stdout.write(topologyText(report, stdout));
      break;
    case 'mermaid':
      stdout.write((await import('../render/topology-mermaid.ts')).topologyMermaid(report));
      break;
    case 'svg':
      stdout.write((await import('../render/topology-svg.ts')).topologySvg(report));
      break;
    default:
      await writeStructured(stdout, output, topologyJson(report));
  }
  return exitCode.done;
}

async function drawn(dir: string, { core: load, clock, cwd }: Context) {
  const core = await load();
  const at = Math.floor(clock() / 1000);
  const located = readCaSet(cwd, dir, core);
  const unreadable = unreadableIn(located, (file) => !file.endsWith('.key'));
  const found = topologyOf(located.set.files, core, at);
  if (found.nodes.length > 0) return { report: { located, topology: found, at }, unreadable };
  const none = {
    error: `${located.tls}: no CA certificate is in it`,
    hint: `k3s-pki verify ${dir} names every problem`,
  };
  throw new Failure(unreadable.length > 0 ? unreadable : [none]);
}
