#!/usr/bin/env bash
# fuzz/make-seeds.sh DIR: makes the kept seeds of keys, certificates and requests with OpenSSL. The keys in them are for
# everybody to know.
set -eu
out=$1
w=$(mktemp -d); trap 'rm -rf "$w"' EXIT
cd "$w"
for t in pem certificate public_key private_key encrypted_key request; do mkdir -p "$out/$t"; done
prefixed() { printf "$1"; cat "$2"; } # an octet before a file
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.pem
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.pem
openssl genpkey -quiet -algorithm ED25519 -out ed25519.pem
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa.pem
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa2048.pem
openssl genpkey -quiet -algorithm X25519 -out x25519.pem
for k in p256 p384 p521 ed25519 rsa rsa2048 x25519; do
  openssl pkey -in $k.pem -outform DER -out $k.pkcs8
  prefixed '\002' $k.pkcs8 > "$out/private_key/$k-pkcs8"
  openssl pkey -in $k.pem -pubout -outform DER -out "$out/public_key/$k"
done
for k in p256 p384 p521; do openssl ec -in $k.pem -outform DER -out $k.sec1 2>/dev/null; prefixed '\001' $k.sec1 > "$out/private_key/$k-sec1"; done
openssl ec -in p256.pem -outform DER -conv_form compressed -out c.sec1 2>/dev/null; prefixed '\001' c.sec1 > "$out/private_key/p256-compressed"
openssl rsa -in rsa.pem -traditional -outform DER -out rsa.pkcs1 2>/dev/null; prefixed '\000' rsa.pkcs1 > "$out/private_key/rsa-pkcs1"
openssl rsa -in rsa2048.pem -traditional -outform DER -out rsa2048.pkcs1 2>/dev/null; prefixed '\000' rsa2048.pkcs1 > "$out/private_key/rsa2048-pkcs1"
openssl rsa -in rsa.pem -RSAPublicKey_out -outform DER -out "$out/public_key/rsa-pkcs1" 2>/dev/null
for v in aes-256-cbc aes-128-cbc des-ede3-cbc; do
  openssl pkcs8 -topk8 -in p256.pem -v2 $v -iter 50 -passout pass:passphrase -outform DER -out "$out/encrypted_key/$v"
done
openssl pkcs8 -topk8 -in ed25519.pem -v2 aes-256-cbc -v2prf hmacWithSHA512 -iter 7 -passout pass:passphrase -outform DER -out "$out/encrypted_key/sha512"
openssl pkcs8 -topk8 -in ed25519.pem -v2 aes-256-cbc -v2prf hmacWithSHA1 -iter 7 -passout pass:passphrase -outform DER -out "$out/encrypted_key/sha1"
openssl pkcs8 -topk8 -in p256.pem -scrypt -scrypt_N 16 -scrypt_r 2 -scrypt_p 1 -passout pass:passphrase -outform DER -out "$out/encrypted_key/scrypt"
openssl pkcs8 -topk8 -in p256.pem -v1 PBE-SHA1-3DES -iter 5 -passout pass:passphrase -outform DER -out "$out/encrypted_key/pbes1" 2>/dev/null || true
openssl pkcs8 -topk8 -in p256.pem -iter 20 -passout pass:other -outform DER -out "$out/encrypted_key/other-passphrase"
cat > c.cnf <<C
[req]
distinguished_name = dn
prompt = no
[dn]
C = JP
O = system:masters
OU = a+b,c
CN = root ca
emailAddress = a@example.org
[ca]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
basicConstraints = critical,CA:true,pathlen:3
keyUsage = critical,digitalSignature,keyCertSign,cRLSign
[constrained]
basicConstraints = critical,CA:true
nameConstraints = critical,permitted;DNS:.example.org,permitted;IP:10.0.0.0/255.0.0.0,excluded;DNS:bad.example.org,excluded;email:.example.com,permitted;URI:.example.org
policyConstraints = requireExplicitPolicy:3,inhibitPolicyMapping:1
inhibitAnyPolicy = 2
[leaf]
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,clientAuth,1.2.3.4.5
subjectAltName = DNS:node-1,DNS:*.example.org,IP:10.0.0.1,IP:2001:db8::1,email:a@example.org,URI:spiffe://example.org/a,dirName:dn
certificatePolicies = 1.2.3.4,2.5.29.32.0
crlDistributionPoints = URI:http://example.org/crl
authorityInfoAccess = OCSP;URI:http://example.org/ocsp
[asked]
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:node-1,IP:10.0.0.1,email:a@b,URI:x:y
basicConstraints = CA:true
C
cert() { # cert NAME KEY SECTION [MORE...]
  local name=$1 key=$2 section=$3; shift 3
  openssl req -new -x509 -config c.cnf -extensions "$section" -key $key.pem -days 30000 -set_serial 0x7a01 "$@" -out $name.crt
  openssl x509 -in $name.crt -outform DER -out "$out/certificate/$name"
}
cert ca-p256 p256 ca
cert ca-p384 p384 ca -sha384
cert ca-p521 p521 ca -sha512
cert ca-ed25519 ed25519 ca
cert ca-rsa rsa ca -sha256
cert ca-rsa-pss rsa2048 ca -sigopt rsa_padding_mode:pss
cert constrained ed25519 constrained
cert leaf ed25519 leaf -subj '/O=system:nodes/CN=system:node:node-1'
cert bare ed25519 bare_none -subj '/' 2>/dev/null || true
cert utf8 ed25519 ca -utf8 -subj '/CN=証明書'
for k in p256 ed25519 rsa; do
  openssl req -new -config c.cnf -reqexts asked -key $k.pem -outform DER -out r.der
  prefixed '\000' r.der > "$out/request/$k"
done
openssl req -new -config c.cnf -subj / -key ed25519.pem -outform DER -out r.der; prefixed '\000' r.der > "$out/request/empty"
# An attribute by itself: extensionRequest.
openssl req -new -config c.cnf -reqexts asked -key ed25519.pem -outform DER -out r.der
at=$(openssl asn1parse -inform DER -in r.der | awk '/cont \[ 0 \]/ { split($1, p, ":"); print p[1] + 0; exit }')
openssl asn1parse -inform DER -in r.der -strparse "$at" -noout -out attribute.der
{ printf "\001"; tail -c +3 attribute.der; } > "$out/request/attributes"
cat ca-p256.crt ca-ed25519.crt > "$out/pem/bundle"
{ echo 'subject=CN = a'; sed 's/$/\r/' ca-ed25519.crt; echo; openssl pkey -in p256.pem; } > "$out/pem/text-crlf"
openssl pkey -in ed25519.pem > "$out/pem/ed25519"
openssl pkey -in ed25519.pem -pubout > "$out/pem/public"
openssl ec -in p256.pem -out "$out/pem/sec1" 2>/dev/null
openssl ec -in p256.pem -aes128 -passout pass:x -out "$out/pem/legacy" 2>/dev/null
openssl pkcs8 -topk8 -in ed25519.pem -iter 5 -passout pass:other -out "$out/pem/encrypted"
head -c 300 ca-ed25519.crt > "$out/pem/cut-off"
