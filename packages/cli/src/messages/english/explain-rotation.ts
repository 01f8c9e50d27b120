import type { LogMessageId } from '@k3s-pki/k3s/explain';
import type { Explanation } from './explain.ts';

/** What the rotation of certificates and K3s's scripts say, and what happens without a word. */
export const rotationExplanations = {
  'see-server-log': {
    cause:
      'The server refused the new CAs. Its client gets only a number; the reason stands in the log of the server that was asked.',
    mend: 'On that server: journalctl -u k3s | grep "certificate error ID", with the same number, and explain that line. k3s-pki certificate rotate-ca makes the same checks beforehand and names the reason.',
  },
  'certificate-error-id': {
    cause:
      'The number that ties the answer of rotate-ca to the line in the log of the server that was asked; the reason follows there.',
    mend: 'Look in the log of that server (another machine, when --server was given), and explain the whole line.',
  },
  'new-cas-refused': {
    cause:
      'One or more checks of the new CAs failed. All failures stand in this one line, each after the name of its field; nothing was changed.',
    mend: 'Mend each of them and run rotate-ca again; k3s-pki verify STAGE --against DATA-DIR makes all of the checks. --force turns them into warnings and breaks what they warn of.',
  },
  'single-certificate': {
    cause:
      'A new CA file holds its certificate alone. Agents and clients could not follow the new CA up to a root that they know.',
    mend: 'Append the issuers, intermediate then root: cat ca.pem intermediate-ca.pem root-ca.pem > ca.crt; generate-custom-ca-certs makes such files. Self-signed CAs need cross-signed ones: rotate-default-ca-certs makes them.',
  },
  'not-by-old-chain': {
    cause:
      'The first certificate of a new CA file does not lead to a root of the file in use: it comes from another root, it is expired or not yet valid, its usage lacks serverAuth, or the file in use has no root.',
    mend: 'Issue the new CA from the old root, or add a certificate of the new root that the old one signed. Another root needs --force: then every token, kubeconfig and agent has to be renewed.',
  },
  'pair-not-loaded': {
    cause:
      'Certificate and key of a CA do not belong together: another key, a key that is encrypted or damaged, or a file whose first certificate is not the CA (root first). "X590" is K3s\'s own spelling.',
    mend: "Put the CA's own certificate first and its key first; compare: openssl x509 -in FILE.crt -noout -pubkey; openssl pkey -in FILE.key -pubout.",
  },
  'service-key-lost': {
    cause:
      'The new service.key lacks the key that signs tokens now: every token of every pod would be refused after the restart.',
    mend: 'Keep the old keys after the new one: k3s-pki service-account rotate --out STAGE makes the file. To leave the signing key alone, remove service.key from the folder.',
  },
  'body-lost': {
    cause:
      'The server got no data: the request had the Content-Type of a form, or something between client and server took its body.',
    mend: 'Send the JSON without a Content-Type of a form (curl: --data-binary with -H "Content-Type:"), or use the command itself on the server.',
  },
  'defaults-failed': {
    cause:
      'The server could not look at one of the files that it has or was sent, for want of permission or for a broken disk.',
    mend: 'The field and the reason follow in the line; look at the file below server/tls.',
  },
  forced: {
    cause:
      'rotate-ca --force saved CAs that the checks refuse; the failures follow. They come true at the next restart.',
    mend: 'Before any restart decide whether each failure is meant. The old CAs are still on the disk of every server: rotate-ca --force --path of a copy of them takes it back.',
  },
  saved: {
    cause:
      'The server has saved what it was sent, which may be nothing: for a wrong --path it says the same. Disk and /cacerts stay old until a restart.',
    mend: 'Make sure that the files are in PATH/tls and that no "failed to read" came before. Then restart every server, one after the other, then the agents. k3s-pki certificate rotate-ca refuses a wrong path.',
  },
  updated: {
    cause: 'The new CAs are in the datastore. Nothing has changed for the cluster yet.',
    mend: 'Restart every server, then every agent. Do not run token rotate before: it would save the old CAs from the disk again.',
  },
  'using-current': {
    cause:
      'The folder of rotate-ca had no such file, or an empty one, so this field keeps its value. For passwd, IPSEC and encryption files that is always so.',
    mend: 'If the field should have changed, put the file where it belongs: PATH/tls/..., as below server.',
  },
  'failed-to-read': {
    cause:
      'A file is not there or cannot be read. rotate-ca then keeps the value in use for it; eleven such lines mean that --path is wrong and nothing is rotated at all.',
    mend: '--path names the folder that contains tls, such as /opt/k3s/server.',
  },
  'method-not-allowed': {
    cause: 'The address was asked with another method than PUT, by hand or by a proxy.',
    mend: 'Use k3s-pki certificate rotate-ca or k3s-pki token rotate, or PUT.',
  },

  'unknown-service': {
    cause: 'There is no service of this name. A list with commas after one -s is taken for a single name.',
    mend: 'Give -s once for each service. CAs belong to no service: they are rotated with rotate-ca.',
  },
  'backed-up': {
    cause: 'The leaf certificates were copied and removed. They are made again at the next start, and only then.',
    mend: 'Restart the service on this machine. The backup holds private keys: remove it when all is well.',
  },
  'agent-detected': {
    cause:
      'There is no server folder in the data dir, so the machine was taken for an agent. On a server that means that the data dir is another one.',
    mend: 'Give --data-dir as the server has it; it is not read from elsewhere.',
  },
  'certificate-expired': {
    cause: 'The certificate is no longer accepted. Leaf certificates are renewed at a start only.',
    mend: 'Restart the service on this machine: that renews every expired leaf. For a CA: a new one, through rotate-ca.',
  },
  'certificate-expires': {
    cause: 'The certificate is in the window in which a restart renews it: 120 days, 90 in releases before May 2025.',
    mend: 'Restart the service on this machine in time; k3s-pki certificate check foretells what the restart renews. A CA is not renewed by a restart.',
  },
  'certificate-not-yet': {
    cause: 'The certificate begins later than the clock of this machine says: one of the two clocks is wrong.',
    mend: 'Set the clock (NTP), and make certificates that were issued with the wrong one again.',
  },
  'needs-attention': {
    cause:
      'Certificates of this node expire within the window, or have expired. Copies in kubeconfigs elsewhere do too.',
    mend: 'Restart the service on this node, then fetch kubeconfigs again. If a restart renews nothing, the window of this release is shorter: certificate rotate.',
  },
  'output-format': {
    cause: 'There is no such format.',
    mend: 'certificate check knows text, table, json and yaml; token list knows text, json and yaml.',
  },

  'root-key-missing': {
    cause: 'A root-ca.pem is there without root-ca.key, and no intermediate either.',
    mend: 'Give root-ca.key, or an intermediate-ca.pem with intermediate-ca.key that the root has issued. service.key has been rewritten by then.',
  },
  'intermediate-key-missing': {
    cause: 'An intermediate-ca.pem is there without its key, which has to sign the five CAs.',
    mend: 'Give intermediate-ca.key, or remove intermediate-ca.pem and give root-ca.key.',
  },
  'current-ca-missing': {
    cause: 'The script looks for the CAs in use in DATA_DIR/server/tls and does not find one.',
    mend: 'Set DATA_DIR to the data dir of the server.',
  },
  'openssl-lacks': {
    cause: 'There is no openssl, or one that makes no EC keys.',
    mend: 'k3s-pki generate-custom-ca-certs does the same without openssl.',
  },

  'ca-replaced': {
    cause:
      'Only one half of the pair was there. K3s makes both anew when a CA or its key is missing, and says nothing.',
    mend: 'Put certificate and key of all five CAs there before the first start; k3s-pki verify DIR checks that. On a cluster that runs already: rotate-ca.',
  },
  'never-comes-up': {
    cause:
      'A CA has CA:FALSE, has expired, or its extended key usage is clientAuth alone: K3s starts on it, and every component refuses what it signs.',
    mend: 'Look at every CA: k3s-pki verify DIR. Before the first start put better ones there, later use rotate-ca.',
  },
  'nothing-rotated': {
    cause: 'A wrong --path succeeds: all files are missing, so K3s keeps what it has and says that it saved it.',
    mend: '--path is the folder that contains tls. Compare k3s-pki token hash of the new and the old server-ca.crt.',
  },
  'rotation-reverted': {
    cause:
      'token rotate between rotate-ca and the restart saves the CAs that are on the disk. Or a server joined through another one that had not restarted, and took the CAs from its disk.',
    mend: 'Run rotate-ca again, restart the server that the others join through first, then the others, and rotate the token last.',
  },
  'folder-removed': {
    cause:
      'With embedded etcd K3s does not look into the datastore when server/cred, server/tls or server/tls/etcd is missing or empty: it makes new CAs and says nothing. Newer releases have this mended.',
    mend: 'Stop it at once and restore server/tls and server/cred from a backup or the tls-SECONDS of a rotation; or let it join another server of the cluster with --server. Remove single files, never the folder.',
  },
  'copied-kubeconfig': {
    cause: 'The client certificate in it lasts a year. K3s renews its own file at a start, not the copies.',
    mend: 'Copy /etc/rancher/k3s/k3s.yaml (RKE2: rke2.yaml) from a server again, and put the address of the server into it.',
  },
  'printed-token': {
    cause:
      'The script hashes the new CA; K3s compares with the new root. Neither the printed nor the old token is accepted.',
    mend: 'k3s-pki token for --ca STAGE/tls/server-ca.crt writes the right one.',
  },
} satisfies Partial<Record<LogMessageId, Explanation>>;
