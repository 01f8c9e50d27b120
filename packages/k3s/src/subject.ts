import type { Certificate } from '@k3s-pki/core';

/** The parts of a subject that K3s compares. */
export interface SubjectParts {
  /** The last one, as Go's `pkix.Name` has it; empty when there is none. */
  readonly commonName: string;
  /** In encoded order. */
  readonly organizations: readonly string[];
}

/** Common name and organizations of a subject or issuer in the core's text form. Source: RFC 4514, section 2.4. */
export function subjectParts(name: Certificate['subject']): SubjectParts {
  let commonName = '';
  const organizations: string[] = [];
  for (const [, type, value = ''] of name.matchAll(/(?:^|[,+])([\w.]+)=((?:\\.|[^\\,+])*)/gs)) {
    if (type === 'CN') commonName = unescaped(value);
    if (type === 'O') organizations.push(unescaped(value));
  }
  return { commonName, organizations };
}

/** Takes `\,` and `\E2\80\8B` back; the octets of one character stand side by side. */
function unescaped(value: string): string {
  return value.replace(/(?:\\[0-9a-fA-F]{2})+|\\(.)/gs, (all, character?: string) =>
    character === undefined ? Buffer.from(all.replaceAll('\\', ''), 'hex').toString() : character,
  );
}
