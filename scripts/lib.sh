# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Shell functions shared by scripts/ and tests/guest/: messages, Debian packages, the tool cache. Sourced, never run.

# shellcheck disable=SC2034  # the variables are for those that source this

graft_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
graft_cache=${GRAFT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/graftfs}

# What each job needs from Debian 12; `cmake --install` needs no more than packages_build.
packages_build=(gcc g++ cmake ninja-build pkg-config libinih-dev libcap-ng-dev libseccomp-dev libmicrohttpd-dev libjansson-dev libcurl4-openssl-dev
	liburing-dev liblz4-dev libzstd-dev zlib1g-dev libssl-dev libsqlite3-dev libxml2-dev)
packages_check=(libcmocka-dev clang-14 libclang-rt-14-dev llvm-14 ccache abigail-tools mandoc shellcheck binutils curl jq fdisk valgrind)
packages_guest=(git make attr acl diffutils coreutils libcap2-bin)
packages_qemu=(qemu-system-x86 busybox-static cpio kmod)
packages_kernel=(gcc make flex bison bc libelf-dev xz-utils)
packages_tools=(libacl1-dev gcc)

say() { printf '%s\n' "$@"; }

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need_packages NAME...: installs what is missing with apt; says and does nothing where all are there.
need_packages() {
	local name said missing=()
	for name in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "Installing with apt: ${missing[*]}"
	if ! said=$(as_root apt-get update -q 2>&1 &&
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" 2>&1); then
		tail -n 20 <<<"$said" >&2
		return 1
	fi
}

# with_lock NAME COMMAND...: one process at a time fills the cache.
with_lock() {
	local name=$1
	shift
	mkdir -p "$graft_cache"
	(
		flock 9
		"$@"
	) 9>"$graft_cache/$name.lock"
}

# rust_new_enough: the cached tools want Rust 1.85.
rust_new_enough() {
	local version
	version=$(cargo --version 2>/dev/null | cut -d' ' -f2) || return 1
	[ -n "$version" ] && [ "$(printf '%s\n' 1.85.0 "$version" | sort -V | head -n 1)" = 1.85.0 ]
}

install_crate() {
	local crate=$1 version=$2
	local bin=$graft_cache/tools/bin/$crate
	[ ! -x "$bin" ] || return 0
	need_packages "${packages_tools[@]}" || return 1
	rust_new_enough || need_packages cargo-web rustc-web || return 1
	say "Building $crate $version with cargo, kept in $graft_cache/tools"
	cargo install --quiet --locked --root "$graft_cache/tools" --version "=$version" "$crate" >&2
}

# need_crate NAME VERSION: a Rust program, built once with cargo into the cache as $graft_cache/tools/bin/NAME.
need_crate() {
	with_lock tools install_crate "$@"
}
