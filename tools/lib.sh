# Shared by ./run, ./test and .ci/run. Source it; it moves to the top of the work tree.
# shellcheck shell=bash
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top" || exit 70

say() { printf '%s\n' "$*" >&2; }

# Parallel compilers: one a core, but no more than memory bears (about 1.5 GB each).
jobs_that_fit() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ {print int($2 / 1572864)}' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  echo $((memory < cores ? memory : cores))
}

# build PRESET TARGET...: configures once, then builds; prints only when something goes wrong or takes
# a while.
build() {
  local preset=$1 log
  shift
  log="$top/build/$preset.log"
  mkdir -p "$top/build"
  if [ ! -f "build/$preset/build.ninja" ]; then
    cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  fi
  if ninja -C "build/$preset" -n "$@" 2>/dev/null | grep -q 'ninja: no work to do'; then
    return 0
  fi
  say "Building $* ($preset)"
  if [ -t 2 ]; then
    ninja -C "build/$preset" -j "$(jobs_that_fit)" "$@" >&2
  else
    ninja -C "build/$preset" -j "$(jobs_that_fit)" "$@" >"$log" 2>&1 || {
      grep -E -A12 'FAILED:|error:' "$log" | head -60 >&2
      say "The build failed; its whole log is build/$preset.log"
      return 1
    }
  fi
}
