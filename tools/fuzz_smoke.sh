#!/usr/bin/env bash
# Runs every fuzz target of a preset (PRESET=asan, or fuzz) for SECONDS each, two at a time, from its seed corpus
# fuzz/corpus/<target> when there is one. A crash leaves its input in build/crashes.
#
#   tools/fuzz_smoke.sh SECONDS [TARGET...]
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
seconds=${1:?usage: tools/fuzz_smoke.sh SECONDS [TARGET...]}
shift
built="$top/build/${PRESET:-asan}"
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(find "$built/fuzz" -maxdepth 1 -name '*_fuzz' -type f -printf '%f\n' | sort)
fi
[ ${#targets[@]} -gt 0 ] || { say "fuzz_smoke.sh: no fuzz targets are built (ninja -C build/asan fuzzers)"; exit 3; }

crashes="$top/build/crashes"
mkdir -p "$crashes"
one() {
  local name=$1 found log
  found=$(mktemp -d)
  log="$built/$name.log"
  local dirs=("$found")
  [ -d "$top/fuzz/corpus/$name" ] && dirs+=("$top/fuzz/corpus/$name")
  if "$built/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$crashes/$name-" "${dirs[@]}" >"$log" 2>&1; then
    say "  $name: $(grep -oE 'Done [0-9]+ runs.*' "$log" | tail -n 1)"
    rm -rf "$found"
  else
    say "  $name: FAILED"
    grep -vE '^#[0-9]+' "$log" | tail -n 40 >&2
    rm -rf "$found"
    return 1
  fi
}
export -f one say
export seconds top crashes built
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P "$(jobs_that_fit)" bash -c 'one "$1"' one
