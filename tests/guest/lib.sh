# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the guest tests share: a private folder, the daemon under test, a guest on it, and a look at both at the end.
# A test sources this, calls start_daemon and guest, and ends; whatever fails ends it with status 1, a skip with 77.
#   GRAFTFSD        program under test            GRAFT_SANITIZE  sanitizers it was built with, empty for none
#   MUST_RUN=1      a skip is a failure           GRAFT_FULL=1    the full counts, not a tenth

set -euo pipefail
shopt -s inherit_errexit
guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../scripts/lib.sh
. "$guest_dir/../../scripts/lib.sh"
# shellcheck disable=SC2034  # the variables are for those that source this

program=$(readlink -f "${GRAFTFSD:?names the program under test}")
tools=$graft_cache/tools/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/graftfs-test.XXXXXX")
share=$work/share
socket=$work/fs.sock
log=$work/daemon.log
daemon=''
runner=''
mkdir "$share"

fail() {
	printf 'FAILED: %s\n' "$*" >&2
	exit 1
}

skip() {
	[ "${MUST_RUN:-0}" != 1 ] || fail "cannot be skipped here: $*"
	printf 'SKIP: %s\n' "$*"
	exit 77
}

export TSAN_OPTIONS="${TSAN_OPTIONS:-} suppressions=$guest_dir/tsan.supp"

# Words that no daemon says in a run that went well.
bad_words='AddressSanitizer|ThreadSanitizer|LeakSanitizer|runtime error:|[Aa]ssertion|graftfsd: error|stack smashing|double free'

# On every way out: the daemon is stopped, its log read, the folder removed.
finish() {
	local status=$?
	trap - EXIT
	[ -z "$runner" ] || { kill -TERM "$runner" && wait "$runner"; } 2>/dev/null || true
	[ -z "$daemon" ] || stop_daemon || status=1
	[ $status = 0 ] || [ $status = 77 ] || [ ! -s "$log" ] || { echo "--- the daemon's log:" && tail -n 60 "$log"; }
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT

# write_config KEY=VALUE...: keys of the mount; server.KEY and transport.KEY for the other sections; an empty value leaves
# a key out (transport.tag= for a daemon without a tag).
write_config() {
	local pair server=() transport=("tag = myfs") mount=()
	for pair in "$@"; do
		case $pair in
		transport.tag=) transport=() ;;
		server.*) pair=${pair#server.} && server+=("${pair%%=*} = ${pair#*=}") ;;
		transport.*) pair=${pair#transport.} && transport+=("${pair%%=*} = ${pair#*=}") ;;
		*) mount+=("${pair%%=*} = ${pair#*=}") ;;
		esac
	done
	{
		printf '%s\n' '[server]' 'sandbox = none' 'seccomp = none' "${server[@]}"
		printf '%s\n' '[transport vhost-user]' "socket = $socket" "${transport[@]}"
		printf '%s\n' '[mount m]' 'at = /' 'type = passthrough' "source = $share" "${mount[@]}"
	} >"$work/test.ini"
}

# start_daemon KEY=VALUE...: starts it and waits until it says it is ready.
start_daemon() {
	local tries
	write_config "$@"
	: >"$log"
	"$program" --config "$work/test.ini" >"$log" 2>&1 </dev/null &
	daemon=$!
	for ((tries = 0; tries < 300; tries++)); do
		! grep -q '^graftfsd: ready' "$log" || return 0
		kill -0 "$daemon" 2>/dev/null || { daemon='' && fail "graftfsd did not start"; }
		sleep 0.1
	done
	fail "graftfsd was not ready within 30 seconds"
}

# Ends it and looks at how it ended. 1 and a word where that was not in order.
stop_daemon() {
	local pid=$daemon status=0 tries
	daemon=''
	kill -TERM "$pid" 2>/dev/null || true
	for ((tries = 0; tries < 200; tries++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	if kill -0 "$pid" 2>/dev/null; then
		echo "FAILED: graftfsd did not end within 20 seconds of SIGTERM"
		kill -KILL "$pid"
		wait "$pid" || true
		return 1
	fi
	wait "$pid" || status=$?
	[ $status = 0 ] || { echo "FAILED: graftfsd ended with status $status" && return 1; }
	! grep -E -m 5 "$bad_words" "$log" || { echo "FAILED: the lines above stand in the daemon's log" && return 1; }
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

need_guest() {
	local why
	why=$("$guest_dir/kernel" 2>&1 >/dev/null) || skip "$why"
	[ -w /dev/shm ] || skip "a guest's memory is shared through /dev/shm, which cannot be written"
}

# need_program NAME: one of those that scripts/check builds into the cache.
need_program() {
	[ -x "$tools/$1" ] || skip "$1 is not in $tools; scripts/check builds it"
}

# boot [options of tests/guest/run] COMMANDS: runs a guest; its output goes to $work/guest.out, its status to $guest_status.
# What is neither the commands' own failure nor success fails the test.
boot() {
	guest_status=0
	"$guest_dir/run" "${@:1:$#-1}" "$socket" "${!#}" >"$work/guest.out" 2>&1 || guest_status=$?
	case $guest_status in
	124 | 125 | 126) cat "$work/guest.out" ;;&
	124) fail "the guest ran out of time" ;;
	125) fail "the guest could not mount or unmount the share" ;;
	126) fail "the guest did not start" ;;
	esac
	kill -0 "$daemon" 2>/dev/null || fail "graftfsd died"
}

# guest ...: boot, and every failure of COMMANDS fails the test.
guest() {
	boot "$@"
	cat "$work/guest.out"
	[ "$guest_status" = 0 ] || fail "the guest's commands ended with status $guest_status"
}

# line_by_line <TEXT: shell text of which each line must succeed; the first that does not is named and ends it.
line_by_line() {
	awk -v quote="'" 'NF && !/^#/ {
		text = $0
		gsub(quote, quote "\\" quote quote, text)
		printf "%s || { printf \"%%s\\n\" %sguest: failed: %s%s; exit 1; }\n", $0, quote, text, quote
	}'
}

# count FULL: FULL with GRAFT_FULL=1, else a tenth of it.
count() {
	if [ "${GRAFT_FULL:-0}" = 1 ]; then echo "$1"; else echo $(($1 / 10)); fi
}

# cache_keys MODE: a cache mode's keys for start_daemon; "writeback" is auto with the guest's own write cache.
cache_keys() {
	case $1 in
	writeback) echo "cache=auto writeback=yes" ;;
	*) echo "cache=$1" ;;
	esac
}

# --- what the daemon holds

daemon_fds() {
	local entries=(/proc/"$daemon"/fd/*)
	echo ${#entries[@]}
}

# Memory of its own in KiB; the guest's, which it maps, is not counted.
daemon_rss() {
	awk '$1 == "RssAnon:" { print $2 }' "/proc/$daemon/status"
}

# daemon_metric NAME: the value it logs on SIGUSR1, as m.nodes.
daemon_metric() {
	local before lines tries
	before=$(wc -l <"$log")
	kill -USR1 "$daemon"
	for ((tries = 0; tries < 50; tries++)); do
		lines=$(tail -n "+$((before + 1))" "$log" | sed -n "s/.*metric: $1 = \([0-9]*\)\( .*\)\{0,1\}$/\1/p" | tail -n 1)
		[ -z "$lines" ] || break
		sleep 0.1
	done
	[ -n "$lines" ] || fail "graftfsd shows no metric $1"
	echo "$lines"
}

# --- steps: a guest waits at a mark while the host looks. The marks lie on hostfs, so that they cost no node of the share.

# Shell text for the guest: `step NAME` drops its caches (`step NAME keep` does not) and waits for the host's `pass_step NAME`.
guest_steps() {
	mkdir -p "$work/steps"
	cat <<END
mkdir /mnt/steps && mount -t hostfs -o '$work/steps' steps /mnt/steps
step() {
	[ "\${2:-}" = keep ] || { sync && echo 3 >/proc/sys/vm/drop_caches; }
	: >"/mnt/steps/\$1"
	until [ -e "/mnt/steps/\$1.passed" ]; do sleep 0.1; done
}
END
}

# boot_steps ...: as boot, without waiting for its end. Then pass_step for each step, and end_steps.
boot_steps() {
	"$guest_dir/run" "${@:1:$#-1}" "$socket" "${!#}" >"$work/guest.out" 2>&1 &
	runner=$!
}

# await_step NAME SECONDS: until the guest stands there; fails the test if it never does.
await_step() {
	local tries
	for ((tries = 0; tries < $2 * 10; tries++)); do
		[ ! -e "$work/steps/$1" ] || return 0
		kill -0 "$runner" 2>/dev/null || break
		sleep 0.1
	done
	cat "$work/guest.out"
	fail "the guest did not reach step '$1'"
}

pass_step() {
	: >"$work/steps/$1.passed"
}

end_steps() {
	local status=0
	wait "$runner" || status=$?
	runner=''
	cat "$work/guest.out"
	[ $status = 0 ] || fail "the guest's commands ended with status $status"
	kill -0 "$daemon" 2>/dev/null || fail "graftfsd died"
}
