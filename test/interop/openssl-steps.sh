# Sourced by the recipes of K3s's scripts: what both do with OpenSSL 1.1.1 or newer, $openssl.
# Extensions of a CA are in "$work/extensions", the next serial in "$work/serial".
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/extensions" <<'CONFIG'
[req]
distinguished_name = none
[none]
[ca]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
basicConstraints = critical, CA:true
keyUsage = critical, digitalSignature, keyEncipherment, keyCertSign
CONFIG
"$openssl" rand -hex 8 >"$work/serial"

# Before version 3 PKCS#1 was the only form that genrsa wrote.
case $("$openssl" version) in
  "OpenSSL 1."*) pkcs1= ;;
  *) pkcs1=-traditional ;;
esac

quietly() {
  if ! "$@" 2>"$work/errors"; then
    cat "$work/errors" >&2
    exit 1
  fi
}

rsa_key() { # bits, file
  # shellcheck disable=SC2086
  (umask 077 && quietly "$openssl" genrsa $pkcs1 -out "$2" "$1")
}

ec_key() { # file
  (umask 077 && quietly "$openssl" ecparam -name prime256v1 -genkey -noout -out "$1")
}
