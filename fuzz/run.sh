#!/usr/bin/env bash
# fuzz/run.sh [RUNS [TARGET...]]: runs every target and prints executions, seconds and seed of each. Ends with 1 when
# one has crashed, taken more than 5 s or 1 GiB; the input is then in fuzz/artifacts.
set -u -o pipefail
cd "$(dirname "$0")/.."
runs=${1:-100000}
shift $(($# > 0 ? 1 : 0))
[ $# -gt 0 ] || set -- pem certificate names name_constraints chains public_key private_key encrypted_key request issue rows
code=0 total=0
# No sanitizer: what is fuzzed forbids unsafe code. Overflows and debug assertions are on.
cargo +nightly fuzz build --sanitizer none >/dev/null || exit 1
for target in "$@"; do
  mkdir -p "fuzz/corpus/$target"
  log=$(mktemp)
  cargo +nightly fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -runs="$runs" -timeout=5 -rss_limit_mb=1024 -max_len=8192 -print_final_stats=1 >"$log" 2>&1 || code=1
  done=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
  seed=$(awk '$2 == "Seed:" { print $3; exit }' "$log")
  seconds=$(awk '/^Done/ { print $5 }' "$log")
  if grep -q '^Done' "$log"; then echo "$target: ${done:-0} executions, $seconds s, seed $seed"; else
    echo "$target: FAILED after ${done:-?} executions, seed $seed"
    grep -E 'panicked|assertion|ERROR|Test unit written' -A2 "$log" | head -n 20
  fi
  total=$((total + ${done:-0}))
  rm -f "$log"
done
echo "$total executions"
exit $code
