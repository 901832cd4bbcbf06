#!/usr/bin/env bash
# Installs what a bare Debian 12 lacks, by group, and nothing else:
#
#   tools/install_deps.sh [build] [run] [test] [examples] [bench]     default: build run
#
#   build     compilers, build tools and libraries
#   run       what the server needs at run time, and the toolchains of the bundled example
#   test      the unit and functional tests
#   examples  the toolchains of every app under examples/ and of the functional matrix
#   bench     what the benchmarks compare with
#
# Idempotent; silent when nothing is missing. Needs root or sudo only when something is.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

build_packages=(
  git ca-certificates clang-19 clang-format-19 clang-tidy-19 libclang-rt-19-dev lld-19 mold ccache cmake
  ninja-build pkg-config python3
  libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev libssl-dev libsqlite3-dev
  libzstd-dev libbrotli-dev libtomlplusplus-dev
  libspdlog-dev libfmt-dev libre2-dev libvectorscan-dev libseccomp-dev prometheus-cpp-dev
  libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev
)
# libnss-myhostname: programs find *.localhost, as browsers and curl do of themselves.
run_packages=(ca-certificates crun runc nftables iproute2 e2fsprogs tini golang-github-containers-common libnss-myhostname)
test_packages=(python3 python3-venv python3-pytest python3-pytest-xdist jq shellcheck xz-utils
  buildah busybox-static)
bench_packages=(wrk nginx-light haproxy docker.io chromium)

# Toolchains: command, then the package that brings it when the command is not on PATH.
run_tools=(node:nodejs npm:npm)
# The log is verified by a client that is not ours.
test_tools=(go:golang)
example_tools=(node:nodejs npm:npm python3:python3 go:golang cargo:cargo-web java:default-jdk-headless
  mvn:maven cc:gcc cmake:cmake make:make gradle:gradle ruby:ruby bundle:ruby-bundler
  composer:composer hugo:hugo)
# What frameworks ask of PHP beside itself.
php_packages=(php-cli php-xml php-mbstring php-curl php-sqlite3)
# mix builds releases with parts of Erlang that elixir alone does not bring.
elixir_packages=(elixir erlang-dev erlang-tools erlang-parsetools erlang-xmerl)

groups=("$@")
[ ${#groups[@]} -gt 0 ] || groups=(build run)

packages=()
add_tools() {
  local row
  for row in "$@"; do
    command -v "${row%%:*}" >/dev/null 2>&1 || packages+=("${row#*:}")
  done
}
for group in "${groups[@]}"; do
  case "$group" in
    build) packages+=("${build_packages[@]}") ;;
    run) packages+=("${run_packages[@]}"); add_tools "${run_tools[@]}" ;;
    test) packages+=("${test_packages[@]}"); add_tools "${run_tools[@]}" "${test_tools[@]}" ;;
    examples)
      packages+=(python3-venv libc6-dev)
      add_tools "${example_tools[@]}"
      php -m 2>/dev/null | grep -qx dom || packages+=("${php_packages[@]}")
      command -v elixir >/dev/null 2>&1 || packages+=("${elixir_packages[@]}")
      ;;
    bench) packages+=("${bench_packages[@]}") ;;
    *) say "install_deps.sh: unknown group '$group' (build run test examples bench)"; exit 2 ;;
  esac
done

if ! command -v dpkg-query >/dev/null 2>&1; then
  say "install_deps.sh: this is not Debian. Install by hand what is missing of: ${packages[*]}"
  exit 0
fi

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
missing=()
for package in $(printf '%s\n' "${packages[@]}" | sort -u); do
  grep -qxF "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null 2>&1; then
    as_root=(sudo)
  else
    say "install_deps.sh: missing packages, and neither root nor sudo to install them. As root, run:"
    say "  apt-get install -y --no-install-recommends ${missing[*]}"
    exit 77
  fi
fi

say "Installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"; }
install() { apt install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; }
# The package lists of a fresh image are absent or stale: refresh them once and try again.
if ! install; then
  if ! { apt update >"$log" 2>&1 && install; }; then
    tail -n 30 "$log" >&2
    say "install_deps.sh: apt-get could not install: ${missing[*]}"
    exit 75
  fi
fi
