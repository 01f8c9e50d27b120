import { topologyOf } from '@k3s-pki/k3s';
import { readCaSet } from '../ca-set.ts';
import type { Context } from '../context.ts';
import { exitCode, Failure } from '../failure.ts';
import { explainVerifyProblem } from '../messages/english/verify.ts';
import { writeMessages } from '../render/messages.ts';
import { writeStructured } from '../render/structured.ts';
import { topologyJson, topologyText } from '../render/topology.ts';

/** What the tree can be printed as. */
export const topologyFormats = ['text', 'json', 'yaml', 'mermaid', 'svg'] as const;
export type TopologyFormat = (typeof topologyFormats)[number];

/** Reads the CAs in a folder and prints how they hang together. Answers the exit code; throws Failure without any CA. */
export async function topology(dir: string, output: TopologyFormat, context: Context): Promise<number> {
  const { stdout, cwd, clock } = context;
  const core = await context.core();
  const at = Math.floor(clock() / 1000);
  const located = readCaSet(cwd, dir, core);
  const { files, facts } = located.set;
  const unreadable = [...facts].flatMap(([file, { kind, why = 'io' }]) => {
    if (kind !== 'unreadable' || file.endsWith('.key')) return [];
    const { text, mend } = explainVerifyProblem(
      { severity: 'error', code: 'unreadable', file, values: { why } },
      located.show,
    );
    return [{ error: `${located.show(file)}: ${text}`, ...(mend === undefined ? {} : { hint: mend }) }];
  });
  const found = topologyOf(files, core, at);
  if (found.nodes.length === 0) {
    throw new Failure(
      unreadable.length > 0
        ? unreadable
        : [
            {
              error: `${located.tls}: no CA certificate is in it`,
              hint: `k3s-pki verify ${dir} says what is wrong with each file`,
            },
          ],
    );
  }
  writeMessages('warning', unreadable, context);
  const report = { located, topology: found, at };
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
