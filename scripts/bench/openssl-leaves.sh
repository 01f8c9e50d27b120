#!/bin/sh
# openssl-leaves.sh CA_DIR COUNT: client-kubelet certificates with keys by the OpenSSL program, as a shell script makes
# them: a key, a request and a certificate per node. Prints certificate, CA bundle and key of each.
# Environment: OPENSSL, the program.
set -eu
umask 077

tls=$1
count=$2
openssl=${OPENSSL:-openssl}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/extensions" <<'CONFIG'
[req]
distinguished_name = none
[none]
[leaf]
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = clientAuth
subjectKeyIdentifier = none
authorityKeyIdentifier = keyid:always
CONFIG

row=1
while [ "$row" -le "$count" ]; do
  node=$(printf 'edge-%06d' "$row")
  "$openssl" ecparam -name prime256v1 -genkey -noout -out "$work/key"
  "$openssl" req -new -config "$work/extensions" -key "$work/key" -subj "/O=system:nodes/CN=system:node:$node" \
    -out "$work/request"
  "$openssl" x509 -req -in "$work/request" -sha256 -days 365 -CA "$tls/client-ca.crt" -CAkey "$tls/client-ca.key" \
    -set_serial "0x$("$openssl" rand -hex 8)" -extfile "$work/extensions" -extensions leaf -out "$work/leaf" 2>"$work/errors" || {
    cat "$work/errors" >&2
    exit 1
  }
  cat "$work/leaf" "$tls/client-ca.crt" "$work/key"
  row=$((row + 1))
done
