# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What tests with a real kernel share: a private folder, the daemon under test, a guest that uses the share, and a look at
# all of them at the end. Sourced by the lib.sh of each kind of guest, which says what its $transport is and defines
#   need_guest   skips where there can be none          guest_steps   see there
#   run_guest    replaces the shell it is called in by a guest that runs commands, the last argument; before it stand options of
#                tests/guest/run, of which -t SECONDS is for all. Ends with the commands' status, or 124 out of time, 125 no share,
#                126 no guest. The guest's $TMPDIR is a folder of its own, outside of the share
#   look_after   when the daemon has ended: 1 and a word where something was left behind
# A test sources one of those, calls start_daemon and guest, and ends; whatever fails ends it with status 1, a skip with 77.
#   GRAFTFSD        program under test            GRAFT_SANITIZE  sanitizers it was built with, empty for none
#   GRAFT_GUEST     guest (as is without it) or fuse, for those tests of tests/guest that run on both
#   GRAFT_SANDBOX, GRAFT_SECCOMP  the daemon's keys sandbox and seccomp; without them what confine says, or none
#   MUST_RUN=1      a skip is a failure           GRAFT_FULL=1    the full counts, not a tenth

set -euo pipefail
shopt -s inherit_errexit
tests_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../scripts/lib.sh
. "$tests_dir/../scripts/lib.sh"
# shellcheck disable=SC2034  # the variables are for those that source this

program=$(readlink -f "${GRAFTFSD:?names the program under test}")
tools=$graft_cache/tools/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/graftfs-test.XXXXXX")
share=$work/share
socket=$work/fs.sock
mnt=$work/mnt
log=$work/daemon.log
daemon=''
runner=''
sandbox=${GRAFT_SANDBOX:-none}
seccomp=${GRAFT_SECCOMP:-none}
run_as=() # words before the daemon's
mkdir "$share" "$mnt"

fail() {
	printf 'FAILED: %s\n' "$*" >&2
	exit 1
}

skip() {
	[ "${MUST_RUN:-0}" != 1 ] || fail "cannot be skipped here: $*"
	printf 'SKIP: %s\n' "$*"
	exit 77
}

# Words that no daemon says in a run that went well.
bad_words='AddressSanitizer|ThreadSanitizer|LeakSanitizer|runtime error:|[Aa]ssertion|graftfsd: error|stack smashing|double free'

# let_go: before the daemon is stopped, ends what it may be waiting for. For those that have such a thing.
let_go() { :; }

# On every way out: the daemon is stopped, its log read, the folder removed.
finish() {
	local status=$?
	trap - EXIT
	[ -z "$runner" ] || { kill -TERM "$runner" && wait "$runner"; } 2>/dev/null || true
	let_go
	[ -z "$daemon" ] || stop_daemon || status=1
	look_after || status=1
	[ $status = 0 ] || [ $status = 77 ] || [ ! -s "$log" ] || { echo "--- the daemon's log:" && tail -n 60 "$log"; }
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT

# write_config KEY=VALUE...: keys of the mount; server.KEY and transport.KEY for the other sections; transport.tag= for a
# daemon without a tag.
write_config() {
	local pair server=() transport_keys mount=()
	case ${transport:?is set by the lib.sh of the guest} in
	vhost-user) transport_keys=("socket = $socket" "tag = myfs") ;;
	fuse) transport_keys=("mountpoint = $mnt") ;;
	esac
	for pair in "$@"; do
		case $pair in
		transport.tag=) transport_keys=("socket = $socket") ;;
		server.*) pair=${pair#server.} && server+=("${pair%%=*} = ${pair#*=}") ;;
		transport.*) pair=${pair#transport.} && transport_keys+=("${pair%%=*} = ${pair#*=}") ;;
		*) mount+=("${pair%%=*} = ${pair#*=}") ;;
		esac
	done
	{
		printf '%s\n' '[server]' "sandbox = $sandbox" "seccomp = $seccomp" "${server[@]}"
		printf '%s\n' "[transport $transport]" "${transport_keys[@]}"
		printf '%s\n' '[mount m]' 'at = /' 'type = passthrough' "source = $share" "${mount[@]}"
	} >"$work/test.ini"
}

# launch: starts it on the configuration that was written, and waits until it says it is ready.
launch() {
	local tries
	: >"$log"
	"${run_as[@]}" "$program" --config "$work/test.ini" >"$log" 2>&1 </dev/null &
	daemon=$!
	for ((tries = 0; tries < 300; tries++)); do
		! grep -q '^graftfsd: ready' "$log" || return 0
		kill -0 "$daemon" 2>/dev/null || { daemon='' && fail "graftfsd did not start"; }
		sleep 0.1
	done
	fail "graftfsd was not ready within 30 seconds"
}

# confine: the daemon is to be as users have it, in a sandbox and with a list of system calls: for root, where namespaces can be made, and
# without sanitizers, which look for what a sandbox hides.
confine() {
	[ "$(id -u)" = 0 ] && [ -z "${GRAFT_SANITIZE:-}" ] || return 0
	seccomp=${GRAFT_SECCOMP:-kill}
	! unshare --mount --pid --fork --net --ipc true 2>/dev/null || sandbox=${GRAFT_SANDBOX:-namespace}
}

# start_daemon KEY=VALUE...: as for write_config.
start_daemon() {
	write_config "$@"
	launch
}

# await_end SECONDS: until it has ended, and looks at how. 1 and a word where that was not in order.
await_end() {
	local pid=$daemon status=0 tries
	daemon=''
	for ((tries = 0; tries < $1 * 10; tries++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	if kill -0 "$pid" 2>/dev/null; then
		echo "FAILED: graftfsd did not end within $1 seconds"
		kill -KILL "$pid"
		wait "$pid" || true
		return 1
	fi
	wait "$pid" || status=$?
	[ $status = 0 ] || { echo "FAILED: graftfsd ended with status $status" && return 1; }
	! grep -E -m 5 "$bad_words" "$log" || { echo "FAILED: the lines above stand in the daemon's log" && return 1; }
}

# Ends it, and looks at how it ended as await_end does.
stop_daemon() {
	kill -TERM "$daemon" 2>/dev/null || true
	await_end 20
}

# as_nobody: the daemon will be an ordinary user's, whose is all that it makes and serves.
as_nobody() {
	local user
	user=$(id -u nobody) || skip "there is no user nobody"
	run_as=(setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups)
	command -v setpriv >/dev/null || skip "setpriv is missing"
	chown -R "$user:$(id -g nobody)" "$work"
}

# need_user_namespace: as_nobody may make one.
need_user_namespace() {
	"${run_as[@]}" unshare --user true 2>/dev/null || skip "ordinary users may not make user namespaces here"
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

# need_program NAME: one of those that scripts/check builds into the cache.
need_program() {
	[ -x "$tools/$1" ] || skip "$1 is not in $tools; scripts/check builds it"
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

# cache_keys MODE: a cache mode's keys for start_daemon; "writeback" is auto with the guest's own write cache, "served" auto with all
# data served by the daemon, where the kernel could move them by itself.
cache_keys() {
	case $1 in
	writeback) echo "cache=auto writeback=yes" ;;
	served) echo "cache=auto transport.passthrough=never" ;;
	*) echo "cache=$1" ;;
	esac
}

# --- what the daemon holds

# serving: the pid of the process that serves: that of a sandbox is the child of the one that was started.
serving() {
	local children
	case $sandbox in
	none) echo "$daemon" ;;
	*) children=$(</proc/"$daemon"/task/"$daemon"/children) && echo "${children%% *}" ;;
	esac
}

daemon_fds() {
	local entries
	entries=(/proc/"$(serving)"/fd/*)
	echo ${#entries[@]}
}

# Memory of its own in KiB; the guest's, which it maps, is not counted.
daemon_rss() {
	awk '$1 == "RssAnon:" { print $2 }' "/proc/$(serving)/status"
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

# --- a guest

# boot [options] COMMANDS: runs a guest; its output goes to $work/guest.out, its status to $guest_status. What is neither the
# commands' own failure nor success fails the test.
boot() {
	guest_status=0
	(run_guest "$@") >"$work/guest.out" 2>&1 || guest_status=$?
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

# Steps: a guest waits at a mark while the host looks. guest_steps prints shell text for the guest: `step NAME` drops its caches
# (`step NAME keep` does not), makes $work/steps/NAME and waits for NAME.passed there, which `pass_step NAME` makes.

# boot_steps ...: as boot, without waiting for the end. Then pass_step for each step, and end_steps.
boot_steps() {
	run_guest "$@" >"$work/guest.out" 2>&1 &
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
