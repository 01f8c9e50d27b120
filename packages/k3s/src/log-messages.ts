/** Where in the life of a cluster a message belongs. */
export const messageAreas = [
  'rotate-ca',
  'rotate',
  'token',
  'bootstrap',
  'start',
  'connection',
  'script',
  'symptom',
] as const;
export type MessageArea = (typeof messageAreas)[number];

/** A message that an administrator finds in a log or on a terminal, in the words of the program that writes it. */
export interface LogMessage {
  readonly id: string;
  readonly area: MessageArea;
  /** The words; `{name}` stands for what differs. The first is the current wording. */
  readonly texts: readonly [string, ...string[]];
  /** Who writes it. */
  readonly source: string;
  /** `wraps`: it only leads to another message, which follows in the same line or elsewhere. `general`: many things can be
   *  behind it. Both count only where nothing more exact is found in a line. */
  readonly scope?: 'wraps' | 'general';
}

const handlers = 'K3s pkg/server/handlers/cert.go';
const cert = 'K3s pkg/cli/cert/cert.go';
const clientaccess = 'K3s pkg/clientaccess/token.go';
const storage = 'K3s pkg/cluster/storage.go';
const reconcile = 'K3s pkg/cluster/bootstrap.go';
const verify = 'Go crypto/x509 verify.go';
const pem = 'rancher/dynamiclistener cert/pem.go';

/** Every message that has an entry, area by area. */
export const logMessages = [
  message('rotate-ca', 'see-server-log', cert, ['see server log for details: {error}'], 'wraps'),
  message('rotate-ca', 'certificate-error-id', handlers, ['certificate error ID {id}'], 'wraps'),
  message(
    'rotate-ca',
    'new-cas-refused',
    handlers,
    ['failed to validate new CA certificates and keys: {errors}'],
    'wraps',
  ),
  message('rotate-ca', 'single-certificate', handlers, [
    'new CA bundle contains only a single certificate but should include root or intermediate CA certificates',
  ]),
  message('rotate-ca', 'not-by-old-chain', handlers, ['new CA cert cannot be verified using old CA chain: {error}']),
  message('rotate-ca', 'pair-not-loaded', handlers, ['new CA cert and key cannot be loaded as X590KeyPair: {error}']),
  message('rotate-ca', 'service-key-lost', handlers, [
    'old ServiceAccount signing key not in new ServiceAccount key list',
  ]),
  message('rotate-ca', 'body-lost', handlers, ['certificate error ID {id}: EOF']),
  message('rotate-ca', 'defaults-failed', handlers, ['failed to set default bootstrap values: {error}']),
  message('rotate-ca', 'forced', handlers, [
    'Save of CA certificates and keys forced, ignoring validation errors: {errors}',
  ]),
  message('rotate-ca', 'saved', cert, ['certificates saved to datastore']),
  message('rotate-ca', 'updated', handlers, [
    'certificate: Cluster Certificate Authority data has been updated, {program} must be restarted.',
  ]),
  message('rotate-ca', 'using-current', handlers, ['Using current data for {field}: {path}']),
  message(
    'rotate-ca',
    'failed-to-read',
    'K3s pkg/bootstrap/bootstrap.go',
    ['failed to read {path}: {error}'],
    'general',
  ),
  message('rotate-ca', 'method-not-allowed', handlers, ['method not allowed']),

  message('rotate', 'unknown-service', cert, ['service {name} is not recognized']),
  message('rotate', 'backed-up', cert, [
    'Successfully backed up certificates to {dir}, please restart {program} server or agent to rotate certificates',
  ]),
  message('rotate', 'agent-detected', cert, [
    'Agent detected, rotating agent certificates',
    'Agent detected, checking agent certificates',
  ]),
  message('rotate', 'certificate-expired', cert, ['{file}: certificate {name} expired at {time}']),
  message('rotate', 'certificate-expires', cert, [
    '{file}: certificate {name} will expire within {days} days at {time}',
  ]),
  message('rotate', 'certificate-not-yet', cert, ['{file}: certificate {name} is not valid before {time}']),
  message('rotate', 'needs-attention', 'K3s pkg/certmonitor', [
    'Node certificates require attention - restart {program} on this node to trigger automatic rotation: {certificates}',
  ]),
  message('rotate', 'output-format', cert, ['invalid output format {format}', 'invalid output format: {format}']),

  message('token', 'hash-mismatch', clientaccess, [
    'token CA hash does not match the Cluster CA certificate hash: {hash} != {hash}',
  ]),
  message('token', 'hash-length', clientaccess, ['invalid token CA hash length']),
  message('token', 'token-format', clientaccess, ['invalid token format']),
  message('token', 'token-empty', clientaccess, ['token must not be empty']),
  message('token', 'not-normalised', 'K3s pkg/util/token.go', [
    'failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>',
    'failed to normalize token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>',
  ]),
  message('token', 'token-required', reconcile, [
    'token is required to join a cluster',
    '{program}_TOKEN is required to join a cluster',
  ]),
  message('token', 'no-hash', clientaccess, [
    "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. Use the full token from the server's node-token file to enable Cluster CA validation.",
  ]),
  message('token', 'trusted-by-host', clientaccess, [
    'Cluster CA certificate is trusted by the host CA bundle. Token CA hash will not be validated.',
  ]),
  message('token', 'not-authorized', 'K3s pkg/server/auth/auth.go', ['not authorized', '401 Unauthorized'], 'general'),
  message('token', 'forbidden', 'K3s pkg/server/auth/auth.go', ['forbidden', '403 Forbidden'], 'general'),
  message('token', 'authentication-failed', 'K3s pkg/server/auth/auth.go', [
    'Failed to authenticate request from {address}: {error}',
  ]),
  message('token', 'token-rotated', 'K3s pkg/cli/token/token.go', [
    'Token rotated, restart {program} nodes with new token',
  ]),
  message('token', 'keep-old-token', 'K3s pkg/cli/token/token.go', [
    'Recommended to keep a record of the old token. If restoring from a snapshot, you must use the token associated with that snapshot.',
  ]),
  message('token', 'token-error-id', 'K3s pkg/server/handlers/token.go', ['token error ID {id}'], 'wraps'),
  message('token', 'server-token-not-found', 'K3s pkg/server/handlers/token.go', ['server token not found']),
  message('token', 'bootstrap-form', 'K3s pkg/kubeadm/utils.go', [
    'the bootstrap token {token} was not of the form {pattern}',
  ]),
  message('token', 'bootstrap-exists', 'K3s pkg/cli/token/token.go', ['a token with id {id} already exists']),
  message('token', 'node-password', 'K3s pkg/agent/config/config.go', [
    "Node password rejected, duplicate hostname or contents of '{path}' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag",
  ]),

  message('bootstrap', 'newer-on-disk', reconcile, [
    '{paths} newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.',
  ]),
  message('bootstrap', 'other-token', storage, ['bootstrap data already found and encrypted with different token']),
  message('bootstrap', 'no-bootstrap-data', storage, [
    'no bootstrap data found in datastore - check server token value and verify datastore integrity',
    'no bootstrap data found',
  ]),
  message('bootstrap', 'several-keys', storage, ['found multiple bootstrap keys in storage']),
  message('bootstrap', 'cipher', 'K3s pkg/cluster/encrypt.go', ['cipher: message authentication failed']),
  message('bootstrap', 'cipher-text', 'K3s pkg/cluster/encrypt.go', ['invalid cipher text, not : delimited']),
  message('bootstrap', 'key-locked', storage, [
    'Bootstrap key is locked - waiting for data to be populated by another server',
    'Bootstrap key already locked - waiting for data to be populated by another server',
  ]),
  message('bootstrap', 'lock-timed-out', storage, ['Bootstrap key lock timed out - deleting lock and retrying']),
  message('bootstrap', 'key-exists', storage, ['Bootstrap key already exists']),
  message('bootstrap', 'empty-token', storage, [
    'Bootstrap data encrypted with empty string, deleting and resaving with token',
  ]),
  message('bootstrap', 'old-token-form', storage, [
    'bootstrap data encrypted with old token format string, deleting and resaving with token',
  ]),
  message('bootstrap', 'old-key-stays', storage, ['failed to delete old bootstrap key {key}']),
  message('bootstrap', 'disk-updated', reconcile, [
    '{path} will be updated from the datastore.',
    'Datastore newer than {path}',
    'Updating bootstrap data on disk from datastore',
  ]),
  message('bootstrap', 'conflict', reconcile, ['Datastore / disk conflict: {path} newer than in the datastore']),
  message('bootstrap', 'file-absent', reconcile, ["{path} doesn't exist. continuing..."]),
  message('bootstrap', 'remote-not-reconciled', reconcile, ['Unable to reconcile with remote datastore: {error}']),
  message('bootstrap', 'from-disk', reconcile, [
    'Failed to retrieve HTTP bootstrap data from datastore; falling back to disk for {address}: {error}',
  ]),
  message(
    'bootstrap',
    'not-reconciled',
    'K3s pkg/cluster',
    ['failed to reconcile with local datastore: {error}', 'Failed to reconcile with temporary etcd: {error}'],
    'wraps',
  ),
  message('bootstrap', 'not-saved', 'K3s pkg/cluster', ['failed to save bootstrap data: {error}'], 'wraps'),
  message(
    'bootstrap',
    'not-prepared',
    'K3s pkg/server/server.go',
    [
      'failed to bootstrap cluster data: {error}',
      'starting kubernetes: preparing server: {error}',
      'Error: preparing server: {error}',
    ],
    'wraps',
  ),
  message('bootstrap', 'learner', 'etcd', ['rpc not supported for learner']),

  message('start', 'parent-key', 'Go crypto/x509', ["x509: provided PrivateKey doesn't match parent's PublicKey"]),
  message('start', 'no-certificates', pem, ['data does not contain any valid RSA or ECDSA certificates']),
  message('start', 'no-private-key', pem, ['data does not contain a valid RSA or ECDSA private key']),
  message('start', 'no-public-keys', 'k8s.io/client-go util/keyutil', [
    'data does not contain any valid RSA or ECDSA public keys',
  ]),
  message('start', 'key-not-loaded', 'rancher/dynamiclistener cert/io.go', ['error loading key from {path}: {error}']),
  message('start', 'half-a-pair', 'rancher/dynamiclistener cert/io.go', [
    'error reading {path}, certificate and key must be supplied as a pair',
  ]),
  message('start', 'one-certificate', 'Kubernetes pkg/controller/certificates', [
    'error reading CA cert file {path}: expected 1 certificate, found {count}',
  ]),
  message(
    'start',
    'key-of-another',
    'Go crypto/tls',
    ['tls: private key does not match public key', 'tls: private key type does not match public key type'],
    'general',
  ),
  message('start', 'switched', 'Go crypto/tls', [
    'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched',
    'tls: found a certificate rather than a key in the PEM for the private key',
  ]),
  message('start', 'file-missing', 'Go os', ['open {path}: no such file or directory'], 'general'),
  message(
    'start',
    'no-pem',
    'Go crypto/tls',
    ['tls: failed to find any PEM data in certificate input', 'tls: failed to find any PEM data in key input'],
    'general',
  ),
  message('start', 'key-not-parsed', 'Go crypto/tls', ['tls: failed to parse private key'], 'general'),
  message('start', 'not-a-ca', verify, [
    'x509: invalid signature: parent certificate cannot sign this kind of certificate',
    'x509: certificate is not authorized to sign other certificates',
  ]),
  message('start', 'usage', verify, [
    'x509: certificate specifies an incompatible key usage',
    'x509: a root or intermediate certificate is not authorized for an extended key usage: {detail}',
  ]),
  message('start', 'name-constraints', verify, [
    'x509: a root or intermediate certificate is not authorized to sign for this name: {detail}',
    "x509: issuer has name constraints but leaf doesn't have a SAN extension",
    'x509: issuer has name constraints but leaf contains unknown or unconstrained name: {detail}',
  ]),
  message('start', 'issuer-name', verify, ['x509: issuer name does not match subject from issuing certificate']),
  message('start', 'path-length', verify, ['x509: too many intermediates for path length constraint']),
  message('start', 'critical-extension', 'Go crypto/x509', ['x509: unhandled critical extension']),
  message('start', 'weak-signature', 'Go crypto/x509', ['x509: cannot verify signature: insecure algorithm {name}']),

  message('connection', 'get-ca-certs', clientaccess, ['failed to get CA certs: {error}'], 'general'),
  message('connection', 'ca-validation', clientaccess, ['CA cert validation failed: {error}']),
  message('connection', 'scheme', clientaccess, ['only https:// URLs are supported, invalid scheme: {url}']),
  message('connection', 'server-url', clientaccess, ['Invalid server url, failed to parse: {url}']),
  message(
    'connection',
    'cluster-connection',
    'K3s pkg/agent/run.go',
    ['Failed to validate connection to cluster at {url}: {error}'],
    'wraps',
  ),
  message(
    'connection',
    'agent-waits',
    'K3s pkg/agent/config/config.go',
    ['Waiting to retrieve agent configuration; server is not ready: {error}'],
    'wraps',
  ),
  message('connection', 'core-not-ready', 'K3s pkg/util', ['runtime core not ready']),
  message('connection', 'unknown-authority', verify, ['x509: certificate signed by unknown authority'], 'general'),
  message('connection', 'expired', verify, ['x509: certificate has expired or is not yet valid'], 'general'),
  message('connection', 'other-name', verify, [
    'x509: certificate is valid for {names}, not {name}',
    "x509: cannot validate certificate for {address} because it doesn't contain any IP SANs",
    'x509: certificate is not valid for any names, but wanted to match {name}',
  ]),
  message(
    'connection',
    'peer-refuses',
    'Go crypto/tls',
    [
      'remote error: tls: bad certificate',
      'remote error: tls: unknown certificate authority',
      'remote error: tls: expired certificate',
      'remote error: tls: certificate required',
    ],
    'general',
  ),
  message('connection', 'kubectl-unauthorized', 'kubectl', ['error: You must be logged in to the server ({reason})']),
  message('connection', 'bearer-token', 'Kubernetes', ['invalid bearer token'], 'general'),
  message('connection', 'not-authenticated', 'Kubernetes', ['Unable to authenticate the request'], 'wraps'),

  message('script', 'root-key-missing', 'K3s contrib/util/generate-custom-ca-certs.sh', [
    'Cannot generate intermediate certificate without root certificate private key',
  ]),
  message('script', 'intermediate-key-missing', 'K3s contrib/util/generate-custom-ca-certs.sh', [
    'Cannot generate leaf certificates without intermediate certificate private key',
  ]),
  message('script', 'current-ca-missing', 'K3s contrib/util/rotate-default-ca-certs.sh', [
    'Current {type} CA cert does not exist; cannot continue',
  ]),
  message('script', 'openssl-lacks', 'K3s contrib/util', [
    'openssl not found or missing Elliptic Curve (ecparam) support.',
  ]),

  message('symptom', 'ca-replaced', 'no line in any log', [
    'my CA was replaced by a new self-signed one at the first start',
  ]),
  message('symptom', 'never-comes-up', 'no line in any log', ['the server retries for ever and never comes up']),
  message('symptom', 'nothing-rotated', 'no line in any log', [
    'rotate-ca saved the certificates but nothing changed after the restart',
  ]),
  message('symptom', 'rotation-reverted', 'no line in any log', ['the old CAs came back after rotate-ca']),
  message('symptom', 'folder-removed', 'no line in any log', [
    'server/tls was removed and the server came up with new CAs',
  ]),
  message('symptom', 'copied-kubeconfig', 'no line in any log', [
    'a copied kubeconfig no longer works after a rotation or after a year',
  ]),
  message('symptom', 'printed-token', 'no line in any log', [
    'the token that rotate-default-ca-certs.sh prints is not accepted',
  ]),
] as const satisfies readonly LogMessage[];

export type LogMessageId = (typeof logMessages)[number]['id'];

function message<const Id extends string>(
  area: MessageArea,
  id: Id,
  source: string,
  texts: readonly [string, ...string[]],
  scope?: LogMessage['scope'],
) {
  return Object.freeze({ id, area, texts, source, ...(scope === undefined ? {} : { scope }) });
}
