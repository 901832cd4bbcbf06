#!/usr/bin/env bash
# Shows that ./run and ./test need no set-up: runs them from a clean clone in a new Debian 12 root that has git and
# nothing else.
#
#   tools/fresh_machine.sh [--times N] [--load] [--ccache DIR] [--keep] [-- COMMAND]
#
#   --times N       so many times COMMAND in the same root (default 1)
#   --load          with a busy loop on each core beside it
#   --ccache DIR    a compiler cache to share; without it everything is compiled from nothing
#   --keep          leave the root behind and say where it is
#   COMMAND         default: ./run && ./test
#
# Needs root and mmdebstrap. Takes this machine's settings of registries along (apt sources, certificates, npm, pip, proxies):
# they belong to the network, not to the machine.
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

times=1 load=0 ccache='' keep=0 command='./run && ./test'
while [ $# -gt 0 ]; do
  case "$1" in
    --times) times=$2; shift 2 ;;
    --load) load=1; shift ;;
    --ccache) ccache=$2; shift 2 ;;
    --keep) keep=1; shift ;;
    --) shift; command=$*; break ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) say "fresh_machine.sh: unknown option '$1'"; exit 2 ;;
  esac
done
[ "$(id -u)" -eq 0 ] || { say "fresh_machine.sh: makes a root and sandboxes in it, which needs root"; exit 77; }
command -v mmdebstrap >/dev/null || { say "fresh_machine.sh: apt-get install mmdebstrap"; exit 75; }

base=$(mktemp -d "${TMPDIR:-/var/tmp}/slipway-fresh-XXXXXX")
burners=()
clean_up() {
  [ ${#burners[@]} -eq 0 ] || kill "${burners[@]}" 2>/dev/null || true
  if [ "$keep" = 1 ]; then say "The root is $base/root"; else rm -rf --one-file-system "$base"; fi
}
trap clean_up EXIT
root=$base/root

say "Making a Debian 12 root with git alone"
sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do [ -s "$file" ] && sources+=("$file"); done
conf=$base/apt.conf.d
mkdir "$conf"
cp /etc/apt/apt.conf.d/* "$conf"/ 2>/dev/null || true
rm -f "$conf"/docker-* "$conf"/*packagekit "$conf"/*appstream
options=()
for file in "$conf"/*; do [ -s "$file" ] && options+=("--aptopt=$file"); done
mmdebstrap --quiet --variant=minbase --include=git,ca-certificates "${options[@]}" bookworm "$root" "${sources[@]}" ||
  mmdebstrap --quiet --variant=minbase --include=git,ca-certificates bookworm "$root" "${sources[@]}"

# What belongs to the network.
mkdir -p "$root/usr/local/share/ca-certificates"
cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp -L /etc/hosts "$root/etc/hosts"
for file in .npmrc .config/pip/pip.conf .m2/settings.xml .cargo/config.toml; do
  [ -f "$HOME/$file" ] && install -D -m 0600 "$HOME/$file" "$root/root/$file"
done
[ -f /etc/pip.conf ] && cp -L /etc/pip.conf "$root/etc/pip.conf"
environment=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
while IFS= read -r -d '' pair; do
  case "${pair%%=*}" in
    http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | *CA_BUNDLE | *_CERT | SSL_CERT_* | NODE_EXTRA_CA_CERTS | \
      GIT_SSL_CAINFO | PIP_INDEX_URL | GOPROXY | GOFLAGS | GONOSUMDB | GOSUMDB | npm_config_registry) environment+=("$pair") ;;
  esac
done </proc/self/environ

mkdir -p "$root/build"
git clone --quiet --no-local "$top" "$root/build/src"
# The machine's own addresses of the clone are nobody's business.
git -C "$root/build/src" remote remove origin
if [ -n "$ccache" ]; then
  mkdir -p "$root/var/cache/ccache"
  environment+=(CCACHE_DIR=/var/cache/ccache)
fi

if [ "$load" = 1 ]; then
  for _ in $(seq "$(nproc)"); do
    nice -n 0 sh -c 'while :; do :; done' &
    burners+=($!)
  done
fi

inside() {
  # Own mounts and process ids: whatever it starts ends with it.
  unshare --mount --pid --fork --kill-child bash -c '
    set -e
    root=$1 ccache=$2; shift 2
    mount --make-rprivate /
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    # It shares the network with this machine, and so the list of which server has which addresses.
    mkdir -p /run/slipway "$root/run/slipway"
    mount --bind /run/slipway "$root/run/slipway"
    [ -z "$ccache" ] || mount --bind "$ccache" "$root/var/cache/ccache"
    exec chroot "$root" env -i "$@"' - "$root" "$ccache" "${environment[@]}" bash -c "cd /build/src && $command"
}

failed=0
for round in $(seq "$times"); do
  say "Round $round of $times: $command"
  if inside; then say "ok: round $round"; else
    say "FAILED: round $round"
    failed=1
  fi
done
exit "$failed"
