#!/bin/sh
# The steps of K3s's rotate-default-ca-certs script with OpenSSL 1.1.1 or newer, without its tokens: new roots that the
# CAs in use cross-sign, and new CAs below them, in DATA_DIR/server/rotate-ca/tls.
# Environment: DATA_DIR, PRODUCT as K3s has them; OPENSSL, the program.
# Source: K3s, contrib/util/rotate-default-ca-certs.sh, its behaviour in other words.
set -eu
umask 027
steps=$(cd "$(dirname "$0")" && pwd)/openssl-steps.sh

product=${PRODUCT:-k3s}
current=${DATA_DIR:-/var/lib/rancher/$product}/server/tls
staged=${DATA_DIR:-/var/lib/rancher/$product}/server/rotate-ca/tls
openssl=${OPENSSL:-openssl}
made_at=$(date +%s)

mkdir -p "$staged/etcd"
cd "$staged"
. "$steps"

signed_ca() { # subject, key, issuer's certificate, issuer's key, certificate
  quietly "$openssl" req -new -config "$work/extensions" -key "$2" -subj "/CN=$1" -out "$work/request"
  quietly "$openssl" x509 -req -in "$work/request" -sha256 -days 7300 -CA "$3" -CAkey "$4" \
    -CAserial "$work/serial" -extfile "$work/extensions" -extensions ca -out "$5"
}

block() { # number, label, file: one block of a PEM file
  awk -v wanted="$1" -v label="$2" '
    $0 == "-----BEGIN " label "-----" { count++ }
    count == wanted { print }
    $0 == "-----END " label "-----" && count == wanted { exit }' "$3"
}

for type in client server request-header etcd/peer etcd/server; do
  if [ "$(grep -c 'END CERTIFICATE' "$current/$type-ca.crt")" -gt 1 ]; then
    block 2 CERTIFICATE "$current/$type-ca.crt" >"$type-root-old.pem"
    block 2 'EC PRIVATE KEY' "$current/$type-ca.key" >"$type-root-old.key"
  else
    cat "$current/$type-ca.crt" >"$type-root-old.pem"
    cat "$current/$type-ca.key" >"$type-root-old.key"
  fi
  name=$product-$(echo "$type" | tr / -)
  ec_key "$type-root.key"
  quietly "$openssl" req -x509 -new -sha256 -days 7300 -config "$work/extensions" -extensions ca \
    -key "$type-root.key" -subj "/CN=$name-root@$made_at" -out "$type-root-ssigned.pem"
  signed_ca "$name-root@$made_at" "$type-root.key" "$type-root-old.pem" "$type-root-old.key" "$type-root-xsigned.pem"
  ec_key "$type-ca.key"
  signed_ca "$name-ca@$made_at" "$type-ca.key" "$type-root-ssigned.pem" "$type-root.key" "$type-ca.pem"
  cat "$type-ca.pem" "$type-root-ssigned.pem" "$type-root-xsigned.pem" "$type-root-old.pem" >"$type-ca.crt"
  cat "$type-root.key" >>"$type-ca.key"
done

rsa_key 2048 service.key
cat "$current/service.key" >>service.key

echo "CA certificates and keys are in $staged"
