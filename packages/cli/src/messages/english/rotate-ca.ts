import type { Message } from '../../failure.ts';
import type { ReadBack } from '../../rotating/target.ts';

/** The words for what became of a set of CAs that was sent to a server. */
export const rotateCaMessages = {
  inDoubt: (message: string, seen: ReadBack): Message => {
    if (seen.ok) {
      return {
        error: `${message}; all the same it was saved: the record in ${seen.from} holds the new set`,
        hint: 'do not send it again; the same command with --offline --dry-run prints the consequences, then restart the servers',
      };
    }
    const hint =
      seen.differs === true
        ? 'wait until the server is up, look with k3s-pki bootstrap show, then run the same command again'
        : 'look before you try again: k3s-pki bootstrap show compares the record with the disk';
    return { error: `${message}; the new CAs may be in the datastore or not: ${seen.why}`, hint };
  },
  notSaved: (where: string, why: string): Message => ({
    error: `${where} says that it has saved the new CAs, but ${why}`,
    hint: 'restart nothing yet: look in the log of that server, and whether this machine has the same datastore (--config, --datastore-endpoint); k3s-pki bootstrap show tells what is in it',
  }),
};
