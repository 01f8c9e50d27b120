import papaparse from 'papaparse';

/**
 * K3s's password file with another server password, and another node password where that was the same; undefined when
 * nothing changes. Rows are `password,name,name,role`. Source: K3s `pkg/passwd`, `pkg/server/handlers/token.go`.
 */
export function withPassword(file: Uint8Array | undefined, password: string): Uint8Array | undefined {
  if (file === undefined || file.length === 0) return undefined;
  const old = Buffer.from(file).toString();
  const { data } = papaparse.parse<string[]>(old, { skipEmptyLines: true });
  const shared = data.find(([, name]) => name === 'server')?.[0];
  const changed = data.map(([first = '', name = '', ...rest]) =>
    name === 'server' || (name === 'node' && first === shared) ? [password, name, ...rest] : [first, name, ...rest],
  );
  const text = `${papaparse.unparse(changed, { newline: '\n' })}\n`;
  return text === old ? undefined : new TextEncoder().encode(text);
}
