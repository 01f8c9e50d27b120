import type { LogMessageId, MessageArea } from '@k3s-pki/k3s/explain';
import type { Message } from '../../failure.ts';
import { clusterExplanations } from './explain-cluster.ts';
import { rotationExplanations } from './explain-rotation.ts';

/** What a message means, and what to do. Whole sentences: they are read, not grepped. */
export interface Explanation {
  readonly cause: string;
  readonly mend: string;
}

export const areaTitles: Record<MessageArea, string> = {
  'rotate-ca': 'certificate rotate-ca',
  rotate: 'certificate rotate, certificate check',
  token: 'Tokens',
  bootstrap: 'Bootstrap data in the datastore',
  start: 'Start of a server on a set of CAs',
  connection: 'Connections',
  script: "K3s's scripts",
  symptom: 'Symptoms without a line of their own',
};

export const explanations: Record<LogMessageId, Explanation> = { ...rotationExplanations, ...clusterExplanations };

/** The words for a command without a line. */
export const nothingToExplain: Message = {
  error: 'there is no line to explain',
  hint: 'give one in quotes, or a log on standard input: journalctl -u k3s | k3s-pki explain',
};

/** The words for lines without a message that has an entry; `nearest` are the most like it. */
export function describeUnknown(lines: number, nearest: readonly string[]): Message {
  const list = 'k3s-pki explain --list shows every message';
  return {
    error: lines === 1 ? 'not a message that is known here' : `no message that is known here in ${lines} lines`,
    hint: nearest.length === 0 ? list : `${list}; the nearest are\n${nearest.map((text) => `  ${text}`).join('\n')}`,
  };
}
