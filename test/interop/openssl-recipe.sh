#!/bin/sh
# The steps of K3s's generate-custom-ca-certs script with OpenSSL 1.1.1 or newer: makes what is missing of root
# and intermediate CA, then five leaf CAs and a key for service account tokens.
# Environment: DATA_DIR, PRODUCT as K3s has them; OPENSSL, the program.
# Source: K3s, contrib/util/generate-custom-ca-certs.sh, its behaviour in other words.
set -eu
umask 027
steps=$(cd "$(dirname "$0")" && pwd)/openssl-steps.sh

product=${PRODUCT:-k3s}
data_dir=${DATA_DIR:-/var/lib/rancher/$product}
openssl=${OPENSSL:-openssl}
made_at=$(date +%s)

mkdir -p "$data_dir/server/tls/etcd"
for input in "$data_dir"/*.pem "$data_dir"/*.key; do
  if [ -f "$input" ]; then cp "$input" "$data_dir/server/tls/"; fi
done
cd "$data_dir/server/tls"
. "$steps"

signed_ca() { # subject, key, issuer, certificate
  quietly "$openssl" req -new -config "$work/extensions" -key "$2" -subj "/CN=$1" -out "$work/request"
  quietly "$openssl" x509 -req -in "$work/request" -sha256 -days 3700 -CA "$3-ca.pem" -CAkey "$3-ca.key" \
    -CAserial "$work/serial" -extfile "$work/extensions" -extensions ca -out "$4"
}

rsa_key 2048 "$work/service.key"
if [ -f service.key ]; then cat service.key >>"$work/service.key"; fi
(umask 077 && cat "$work/service.key" >service.key)

if [ ! -f root-ca.pem ]; then
  rsa_key 4096 root-ca.key
  quietly "$openssl" req -x509 -new -sha256 -days 7300 -config "$work/extensions" -extensions ca \
    -key root-ca.key -subj "/CN=$product-root-ca@$made_at" -out root-ca.pem
fi
cat root-ca.pem >root-ca.crt

if [ ! -f intermediate-ca.pem ]; then
  if [ ! -f root-ca.key ]; then
    echo "can't make an intermediate CA without root-ca.key" >&2
    exit 1
  fi
  rsa_key 4096 intermediate-ca.key
  signed_ca "$product-intermediate-ca@$made_at" intermediate-ca.key root intermediate-ca.pem
fi
cat intermediate-ca.pem root-ca.pem >intermediate-ca.crt

if [ ! -f intermediate-ca.key ]; then
  echo "can't make leaf CAs without intermediate-ca.key" >&2
  exit 1
fi
for type in client server request-header etcd/peer etcd/server; do
  ec_key "$type-ca.key"
  signed_ca "$product-$(echo "$type" | tr / -)-ca@$made_at" "$type-ca.key" intermediate "$type-ca.pem"
  cat "$type-ca.pem" intermediate-ca.pem root-ca.pem >"$type-ca.crt"
done

echo "CA certificates and keys are in $data_dir/server/tls"
