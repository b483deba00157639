# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts that compare share: graftfsd's configuration, where the programs are, the start of a daemon. Sourced, never run.

# shellcheck disable=SC2034,SC2154  # some variables are for those that source this, $daemon_pid is theirs
# shellcheck source=../scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

server_keys=() transport_keys=() mount_keys=()
sandbox=none seccomp=none

# add_key [SECTION.]KEY=VALUE: one more line for graftfsd's configuration; the section is server or transport, or the mount's.
add_key() {
	local pair=$1
	case $pair in
	server.*=*) pair=${pair#server.} && server_keys+=("${pair%%=*} = ${pair#*=}") ;;
	transport.*=*) pair=${pair#transport.} && transport_keys+=("${pair%%=*} = ${pair#*=}") ;;
	*=*) mount_keys+=("${pair%%=*} = ${pair#*=}") ;;
	*) die "--key $pair is no KEY=VALUE" ;;
	esac
}

# write_config SHARE TRANSPORT LINE...: a configuration with the keys that were added; the lines are the transport's.
write_config() {
	printf '%s\n' '[server]' "sandbox = $sandbox" "seccomp = $seccomp" "${server_keys[@]}"
	printf '%s\n' "[transport $2]" "${@:3}" "${transport_keys[@]}"
	printf '%s\n' '[mount bench]' 'at = /' 'type = passthrough' "source = $1" 'cache = auto' "${mount_keys[@]}"
}

# find_graftfsd TOOL: sets $graftfsd, unless it is set, and $tool, the program of that name beside it.
find_graftfsd() {
	if [ -z "$graftfsd" ]; then
		graftfsd=$graft_root/build/release/bin/graftfsd
		[ -x "$graftfsd" ] || graftfsd=$graft_root/build/bin/graftfsd
	fi
	tool=$(dirname "$graftfsd")/$1
	[ -x "$graftfsd" ] && [ -x "$tool" ] || die "no graftfsd and $1 in $(dirname "$graftfsd"): build first, or give --graftfsd"
}

# find_virtiofsd: sets $virtiofsd, unless it is set.
find_virtiofsd() {
	if [ -z "$virtiofsd" ]; then
		virtiofsd=$(command -v virtiofsd) || virtiofsd=$graft_cache/tools/bin/virtiofsd
	fi
	[ -x "$virtiofsd" ] || die "no virtiofsd in PATH nor at $virtiofsd: 'cargo install virtiofsd@1.14.0', or give --virtiofsd"
}

# await_daemon NAME LOG TEST...: until the test succeeds; dies with the log where $daemon_pid ends first.
await_daemon() {
	local i
	for ((i = 0; i < 500; i++)); do
		! "${@:3}" || return 0
		kill -0 "$daemon_pid" 2>/dev/null || break
		sleep 0.02
	done
	cat "$2" >&2
	die "$1 does not start"
}

# serving_pid PID: the process that serves: where it is confined, the child of the one that was started, which comes a little later.
serving_pid() {
	local child='' i
	for ((i = 0; i < 250; i++)); do
		[ "$sandbox" = namespace ] || break
		read -r child _ <"/proc/$1/task/$1/children" || true # the line has no end
		[ -z "$child" ] || break
		sleep 0.02
	done
	echo "${child:-$1}"
}
