import { formatPasswd, PasswdError, parsePasswd, withServerPassword } from '@k3s-pki/k3s';

/** K3s's password file with another server password, and another node password where that was the same; undefined when
 *  nothing changes. A file that K3s can't read stays as it is: its next start says so. */
export function withPassword(file: Uint8Array | undefined, password: string): Uint8Array | undefined {
  if (file === undefined || file.length === 0) return undefined;
  const old = Buffer.from(file).toString();
  try {
    const text = formatPasswd(withServerPassword(parsePasswd(old), password, { agentToken: false }));
    return text === old ? undefined : new TextEncoder().encode(text);
  } catch (error) {
    if (error instanceof PasswdError) return undefined;
    throw error;
  }
}
