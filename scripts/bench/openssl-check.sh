#!/bin/sh
# openssl-check.sh FOLDER COUNT: what openssl x509 says of the first certificate of COUNT files, as a shell script asks.
# Environment: OPENSSL, the program.
set -eu

folder=$1
count=$2
openssl=${OPENSSL:-openssl}

find "$folder" -name '*.crt' | head -n "$count" | while read -r file; do
  "$openssl" x509 -in "$file" -noout -subject -issuer -serial -enddate
done
