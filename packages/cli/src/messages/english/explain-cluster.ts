import type { LogMessageId } from '@k3s-pki/k3s/explain';
import type { Explanation } from './explain.ts';

/** What servers and agents say of tokens, bootstrap data, CAs and each other. */
export const clusterExplanations = {
  'hash-mismatch': {
    cause:
      'The token names other CAs than the ones that the server presents: it is of another cluster or of the time before a new root, its hash was made in another way (rotate-default-ca-certs.sh prints a wrong one), or somebody else answers at this address.',
    mend: 'k3s-pki token check --server URL says which. Take the token from server/token on a server, or write it anew with k3s-pki token for --ca server-ca.crt. Do not leave the hash out.',
  },
  'hash-length': {
    cause: 'Between K10 and :: stand neither 64 characters nor none: the token is cut, or two were pasted together.',
    mend: 'Copy the whole line of server/token again; k3s-pki token show says what K3s reads.',
  },
  'token-format': {
    cause: 'After the CA hash comes neither user:password with a password nor a bootstrap token.',
    mend: 'Copy the whole line of server/token again. A password must not begin with K10.',
  },
  'token-empty': {
    cause: 'No token was given: the file is empty, the variable unset, or the option has no value.',
    mend: 'Set K3S_TOKEN or K3S_TOKEN_FILE, or token in config.yaml.',
  },
  'not-normalised': {
    cause:
      'A server got a token that is no server token: most often a kubeadm bootstrap token (abcdef.0123456789abcdef), which joins agents only, or a damaged one.',
    mend: 'Give servers the token of server/token. If token rotate was run with such a token, the cluster needs the old token back before its servers restart.',
  },
  'token-required': {
    cause: 'A server is to join through --server and has no token.',
    mend: 'Give it the whole token of server/token of a running server.',
  },
  'no-hash': {
    cause: 'The token has no CA hash, so the machine trusts whoever answers at the address.',
    mend: 'Use the whole token: k3s-pki token for --ca server-ca.crt writes it, also before the first start.',
  },
  'trusted-by-host': {
    cause:
      'The certificate of the server verifies with the CAs of the operating system, so the hash of the token is not looked at.',
    mend: 'Nothing, if that is meant (a proxy with a public certificate); else find out why the host trusts it.',
  },
  'not-authorized': {
    cause:
      'The password is not the one of the server: another token, or a new one before the restart. Until then the old password counts and the new one does not.',
    mend: 'k3s-pki token check --data-dir on a server compares with cred/passwd. After token rotate restart the servers.',
  },
  forbidden: {
    cause: "The password is known, but not for this: the agent token for a server's work, or no password at all.",
    mend: 'Use the server token (server/token), not the agent token. From the API server the word is about RBAC, not about tokens.',
  },
  'authentication-failed': {
    cause: 'A machine came with a wrong password or with a client certificate that the CAs in use do not cover.',
    mend: 'The address says which machine: check its token with k3s-pki token check; after a rotation of CAs restart it.',
  },
  'token-rotated': {
    cause:
      'The new password is in passwd, server/token and the bootstrap data. Running servers accept the old one until they restart; a random new token is not printed.',
    mend: 'Read server/token on the server, give the new token to every server and agent, then restart them.',
  },
  'keep-old-token': {
    cause: 'The token encrypts the bootstrap data in a snapshot; with the new one an old snapshot cannot be opened.',
    mend: 'Keep the old token with the snapshots of its time.',
  },
  'token-error-id': {
    cause: 'The server could not rotate its token; the reason stands after this number in its log.',
    mend: 'Look in the log of that server and explain the whole line. passwd and server/token are written before the datastore and may be new already.',
  },
  'server-token-not-found': {
    cause: 'cred/passwd has no row of the user server.',
    mend: 'Restore cred/passwd from another server; a row is PASSWORD,server,server,k3s:server.',
  },
  'bootstrap-form': {
    cause:
      'What was given is no kubeadm bootstrap token: six characters, a dot, sixteen characters, lower case and digits.',
    mend: 'k3s token create makes one; the server token does not go here.',
  },
  'bootstrap-exists': {
    cause: 'A bootstrap token with the same six characters in front is in use.',
    mend: 'k3s token list shows it; delete it or take another id.',
  },
  'node-password': {
    cause:
      'Another machine has registered under this node name, or this one was installed again: its password differs from the one in the Secret NODE.node-password.k3s.',
    mend: 'Give the machine a name of its own, or delete the node (and that Secret) before it joins again.',
  },

  'newer-on-disk': {
    cause:
      'Files on this server differ from the datastore and are at least three seconds newer. The disk never wins: K3s stops. Files were edited, restored with new times, or rotate-ca loaded files that are older than the ones in use.',
    mend: 'If the datastore is right: k3s-pki bootstrap restore, with K3s stopped; with embedded etcd, which is closed then, move the named files away, cred/passwd too, and start again (not the folders, or K3s makes new CAs). If the disk is right, put the old files back, start, and load the new ones with k3s-pki certificate rotate-ca.',
  },
  'other-token': {
    cause:
      'The datastore holds bootstrap data under another token. This server has another token, none (then it made CAs of its own), or a kubeadm-form one; or the token was rotated meanwhile.',
    mend: 'Start with the token of the cluster (server/token on a running server, or your copy). If this server made CAs of its own, move server/tls and server/cred away first. If the new token is the right one and the old one is known: k3s-pki bootstrap reseal --token-file OLD --new-token-file NEW. k3s-pki bootstrap doctor says which token opens what.',
  },
  'no-bootstrap-data': {
    cause:
      'The datastore exists but has no bootstrap data: the first start was ended early, the datastore is an empty or a wrong one, or the key was deleted.',
    mend: 'Look whether it is the right datastore. If the cluster never ran, remove it and start anew; else restore a snapshot together with its token.',
  },
  'several-keys': {
    cause:
      'Below /bootstrap lies more than one key: a rotation of the token was interrupted, or servers were started with different tokens. Saving, as rotate-ca does, then fails.',
    mend: 'k3s-pki bootstrap doctor says which key is that of the token; k3s-pki bootstrap prune keeps that one and removes the others, with a backup.',
  },
  cipher: {
    cause:
      'The bootstrap data was found but this token does not open it: it was encrypted with another password, or damaged.',
    mend: 'Use the token that the data was saved with; with a snapshot, the token of its time; k3s-pki bootstrap reseal then moves the data to another one. Damaged data: k3s-pki bootstrap undo, after a change of this program; else a snapshot.',
  },
  'cipher-text': {
    cause: 'The value below /bootstrap is not bootstrap data: it was written by hand or cut.',
    mend: 'Restore it from a snapshot, or let a server that runs save it again.',
  },
  'key-locked': {
    cause: 'Another server has begun to write the bootstrap data, or was ended while it did.',
    mend: 'Wait: after five tries the empty key is deleted and this server goes on. If it never ends, see whether another server is starting all the time; when none is, k3s-pki bootstrap prune removes the key.',
  },
  'lock-timed-out': {
    cause: 'The server that held the lock has not written anything; the lock is removed.',
    mend: 'Nothing, if it happens once. Again and again: look at the server that takes the lock.',
  },
  'key-exists': {
    cause: 'The bootstrap data is there already and was not replaced. That is so at every start.',
    mend: 'Nothing.',
  },
  'empty-token': {
    cause: 'Bootstrap data of an old release, saved without a token, is being encrypted with the token.',
    mend: 'Nothing. Keep the token safe: from now on the data cannot be read without it.',
  },
  'old-token-form': {
    cause: 'Bootstrap data that was encrypted with the whole token is being encrypted with the password alone.',
    mend: 'Nothing.',
  },
  'old-key-stays': {
    cause:
      'The bootstrap data was saved under a new key, and the old one could not be removed. Two keys make a later save fail.',
    mend: 'When all servers run with the new token: k3s-pki bootstrap prune.',
  },
  'disk-updated': {
    cause:
      'A file on this server differs from the datastore, which is newer and wins; all files are written anew. After rotate-ca that is what is meant. Without a rotation, something has reverted or changed the datastore or the disk.',
    mend: 'After a rotation: nothing. Else compare k3s-pki token hash with the other servers before you restart them.',
  },
  conflict: {
    cause: 'Some files are newer on the disk, some in the datastore. Older releases say so.',
    mend: 'Take a backup of server/tls and server/cred, move the named files away (not the folders), and start: they come from the datastore.',
  },
  'file-absent': {
    cause: 'A file of the bootstrap data is not on this disk; it is written from the datastore.',
    mend: 'Nothing, on a server that joins. Else somebody has removed it.',
  },
  'remote-not-reconciled': {
    cause: 'The server named with --server could not be asked for the bootstrap data; the own etcd is used instead.',
    mend: 'See whether that server runs and the token is right. After a rotation of CAs restart that server first.',
  },
  'from-disk': {
    cause:
      'A server that joins gets the CAs from the disk of this one, because the datastore cannot be read with the token. The disk may be older than the datastore.',
    mend: 'Restart this server, so that its disk is that of the datastore, before others join.',
  },
  'not-reconciled': {
    cause: 'The server could not bring its files in line with the datastore; the reason follows.',
    mend: 'Explain the rest of the line.',
  },
  'not-saved': {
    cause: 'The server could not save its CAs in the datastore and stops; the reason follows.',
    mend: 'Explain the rest of the line. Until it is mended this server may have CAs that no other one has.',
  },
  'not-prepared': {
    cause: 'The server stops before anything runs; the reason follows.',
    mend: 'Explain the rest of the line.',
  },
  learner: {
    cause: 'The etcd of this server is still learning and does not answer yet.',
    mend: 'Wait until it is a member. If it never is, look at the connection to the other servers and the etcd CAs.',
  },

  'parent-key': {
    cause:
      'A CA has another key than its certificate says: the wrong file, or a bundle with the root first. The server stops.',
    mend: "Put the CA's own certificate first in the .crt, and the key that belongs to it in the .key.",
  },
  'no-certificates': {
    cause: 'A CA file has no CERTIFICATE block that Go can read: it is empty, DER, a TRUSTED CERTIFICATE, or damaged.',
    mend: 'Convert it: openssl x509 -inform der -in FILE -out NEW; for TRUSTED CERTIFICATE without -inform der. Or restore the file.',
  },
  'no-private-key': {
    cause: 'A key file has no private key that can be read: it is empty, DER, encrypted, public or of an unknown type.',
    mend: 'openssl pkey -in FILE -out NEW writes it unencrypted in PEM. For service.key use RSA or EC.',
  },
  'no-public-keys': {
    cause: 'service.key has no key that the API server reads: it is empty, Ed25519, encrypted, or an EC key in PKCS#8.',
    mend: 'k3s-pki service-account list says what is in it. Restore it from another server; openssl ec -in FILE -out NEW writes an EC key as SEC1.',
  },
  'key-not-loaded': {
    cause: 'A key that K3s made or was given is damaged, often a file of zero length after a power failure.',
    mend: 'A leaf key: remove it, the next start makes a new one. A CA key: restore it, or move it away so that it comes from the datastore.',
  },
  'half-a-pair': {
    cause: 'Of a certificate and its key only one is there.',
    mend: 'Restore the other half. Of a leaf remove both, and restart. A CA without its other half is replaced by a new one at the first start.',
  },
  'one-certificate': {
    cause: 'The controller that signs certificate requests was given a bundle; it needs the CA alone.',
    mend: 'K3s uses client-ca.nochain.crt and server-ca.nochain.crt for that: remove a --cluster-signing-... argument of your own, or point it at these.',
  },
  'key-of-another': {
    cause:
      'A certificate file and its key file do not belong together, such as after one of them was copied or restored alone.',
    mend: 'Restore both, or remove both if K3s made them, and restart.',
  },
  switched: {
    cause: 'A certificate stands where the key should be, or the other way round.',
    mend: 'Exchange the two files; the key has a line BEGIN ... PRIVATE KEY.',
  },
  'file-missing': {
    cause:
      'A file is wanted that is not there: somebody removed it, half of a pair was copied, or the data dir is another one.',
    mend: 'The path names the file. A leaf comes back at the next start, a CA from the datastore or another server.',
  },
  'no-pem': {
    cause: 'A certificate or key file is empty, DER, or holds blocks of another kind.',
    mend: 'Restore it. A leaf that K3s made: remove certificate and key, and restart.',
  },
  'key-not-parsed': {
    cause: 'A private key is encrypted or damaged; K3s has no passphrase.',
    mend: 'openssl pkey -in FILE -out NEW writes it unencrypted.',
  },
  'not-a-ca': {
    cause:
      'A certificate that should be a CA may not sign others: CA:FALSE, or a key usage without keyCertSign. A server on such a CA retries for ever.',
    mend: 'Have it issued again as a CA: basicConstraints critical,CA:TRUE and keyUsage keyCertSign.',
  },
  usage: {
    cause:
      'A CA is limited to usages that do not cover what it is used for, mostly clientAuth without serverAuth. rotate-ca verifies every CA for serverAuth, client-ca too; a server on such a CA never comes up.',
    mend: 'Use CAs without an extended key usage, or with serverAuth and clientAuth, the intermediate and root too.',
  },
  'name-constraints': {
    cause:
      'A root or intermediate may sign for certain names only, and the names of the cluster are not among them: node names, addresses, kubernetes.default.svc and the common names of the components.',
    mend: 'Use a CA without name constraints, or have the names of the cluster permitted.',
  },
  'issuer-name': {
    cause: 'A certificate names another issuer than the one that follows in the bundle.',
    mend: 'Append the certificate of the CA that really signed it: openssl x509 -in FILE -noout -issuer.',
  },
  'path-length': {
    cause: 'A root or intermediate has a path length constraint that leaves no room for the CAs below it.',
    mend: 'Use one without pathlen, or with 1 or more for an intermediate, 2 or more for a root.',
  },
  'critical-extension': {
    cause: 'A CA certificate has a critical extension that Go does not know.',
    mend: 'Have it issued without, or with the extension marked as not critical.',
  },
  'weak-signature': {
    cause: 'A certificate in the chain is signed with SHA-1 or MD5, which Go refuses.',
    mend: 'Have it issued again with SHA-256; its key can stay.',
  },

  'get-ca-certs': {
    cause:
      'The server could not be asked for its CAs: it is not running, the address or port is wrong, or a firewall, proxy or load balancer stands between. On an agent 127.0.0.1:6444 is its own load balancer.',
    mend: 'From this machine: curl -k https://SERVER:6443/cacerts (RKE2: 9345). The reason follows in the line.',
  },
  'ca-validation': {
    cause:
      'The certificate of the supervisor is not signed by the CAs that the server presents. After rotate-ca --force to another root that is always so: this certificate is not made again.',
    mend: 'On each server: k3s certificate rotate --service k3s-server, then restart it. Else: is the address one of the server itself, without a proxy that ends TLS?',
  },
  scheme: {
    cause: 'The address of the server is not an https URL.',
    mend: 'Write https://HOST:6443 (RKE2: 9345).',
  },
  'server-url': {
    cause: 'The address of the server cannot be read, such as for a blank in front or a missing https://.',
    mend: 'Write https://HOST:6443 (RKE2: 9345).',
  },
  'cluster-connection': {
    cause: 'An agent cannot join; it tries again every two seconds. The reason follows.',
    mend: 'Explain the rest of the line.',
  },
  'agent-waits': {
    cause: 'An agent waits for its certificates; the reason follows.',
    mend: 'Explain the rest of the line.',
  },
  'core-not-ready': {
    cause: 'The server is still starting.',
    mend: 'Wait. If it stays so, the reason stands further up in the log of the server.',
  },
  'unknown-authority': {
    cause:
      'One side does not know the CA of the other: an old kubeconfig or agent after new CAs, a component that was not restarted, or another cluster at this address.',
    mend: 'Restart the servers, then this agent; fetch the kubeconfig again. k3s-pki token check --server URL shows whether the CAs are the expected ones.',
  },
  expired: {
    cause:
      'A certificate is out of date, or the clock of this machine is wrong. The rest of the line says which time was compared.',
    mend: 'Check the clock first. A leaf is renewed by a restart, a copied kubeconfig by fetching it again, a CA only by a new one.',
  },
  'other-name': {
    cause: 'The server is reached by a name or address that its certificate does not have.',
    mend: 'Add it with --tls-san (tls-san in config.yaml) on the servers and restart them.',
  },
  'peer-refuses': {
    cause: 'The other side refused the certificate of this one: it is expired, or of CAs that the other does not know.',
    mend: 'Look at the log of the other side at the same time; its line says why. After a rotation of CAs restart this side.',
  },
  'kubectl-unauthorized': {
    cause: 'The client certificate in the kubeconfig is expired or of an older CA. A copied kubeconfig is not renewed.',
    mend: 'Copy /etc/rancher/k3s/k3s.yaml from a server again.',
  },
  'bearer-token': {
    cause:
      'A service account token was signed with a key that is not in service.key, such as after the old keys were left out, or it has expired.',
    mend: "k3s-pki service-account list shows the key ids that are accepted; the token's header names its own. Put the old key back, or restart the pods; tokens in Secrets have to be made again.",
  },
  'not-authenticated': {
    cause: 'The API server refused somebody; the reason stands in err=.',
    mend: 'Explain the rest of the line.',
  },
} satisfies Partial<Record<LogMessageId, Explanation>>;
