import type { Context } from '../context.ts';
import type { Message } from '../failure.ts';
import { painter } from '../terminal.ts';

/** `k3s-pki: error: ...`, and the hint on a line of its own. */
export function writeMessages(
  kind: 'error' | 'warning',
  messages: readonly Message[],
  { stderr, programName }: Pick<Context, 'stderr' | 'programName'>,
): void {
  const paint = painter(stderr);
  const label = paint(kind === 'error' ? ['bold', 'red'] : ['bold', 'yellow'], `${kind}:`);
  for (const { error, hint } of messages) {
    stderr.write(`${programName}: ${label} ${error}\n`);
    if (hint !== undefined) stderr.write(`${programName}: ${paint('cyan', 'hint:')} ${hint}\n`);
  }
}
