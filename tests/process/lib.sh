# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The process as those see it who start virtiofsd: a guest (../guest/lib.sh) on a daemon that its command line started.
# shellcheck disable=SC2034  # the variables are for those that source this

# shellcheck source=../guest/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../guest/lib.sh"
listen_exec=${LISTEN_EXEC:?names the program that hands a socket over}
virtiofsd=$work/virtiofsd
ln -s "$program" "$virtiofsd"
# All that a daemon starts has this in its environment.
export GRAFT_PROCESS_TEST=$work
# A sandbox has no /proc, which the leak checker wants.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"

need_front_door() {
	"$virtiofsd" --version 2>/dev/null | grep -q '^virtiofsd ' || skip "this graftfsd has no virtiofsd command line"
}

# one_guest COMMANDS: a guest that the daemon may end with.
one_guest() {
	(run_guest "$@") >"$work/guest.out" 2>&1 || { cat "$work/guest.out" && fail "the guest ended with status $?"; }
}

# run_daemon COMMAND...: in the background. $log is for what it says where its standard error is not /dev/null.
run_daemon() {
	: >"$log"
	"$@" >"$log" 2>&1 </dev/null &
	daemon=$!
}

# await_line TEXT: in the log, within 30 seconds.
await_line() {
	local tries
	for ((tries = 0; tries < 300; tries++)); do
		! grep -qF "$1" "$log" || return 0
		kill -0 "$daemon" 2>/dev/null || fail "virtiofsd ended before it said '$1'"
		sleep 0.1
	done
	fail "virtiofsd did not say '$1'"
}

# ended STATUS MS: it ends by itself within that time, and so, and nothing of it is left.
ended() {
	local pid=$daemon status=0 until
	{
		until=$(($(date +%s%3N) + $2))
		while kill -0 "$pid" && [ "$(date +%s%3N)" -le "$until" ]; do
			sleep 0.02
		done
		! kill -KILL "$pid" || status=late
		daemon=''
		[ $status = late ] || wait "$pid" || status=$?
	} 2>/dev/null # where the shell tells of children that were killed
	[ "$status" != late ] || fail "virtiofsd did not end within $2 ms"
	[ "$status" = "$1" ] || fail "virtiofsd ended with status $status, not $1"
	! grep -E -m 5 "$bad_words" "$log" || fail "the lines above stand in the log"
	nothing_left
}

# processes: pids of what runs the program and has the variable, whoever started it.
processes() {
	local exe
	# find complains of those that end meanwhile.
	{ find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "$program" 2>/dev/null || true; } | while read -r exe; do
		! grep -qzx "GRAFT_PROCESS_TEST=$work" "${exe%exe}environ" 2>/dev/null || basename "${exe%/exe}"
	done
}

# nothing_left: no process within two seconds, and no mount of the host that has to do with this test.
nothing_left() {
	local tries left
	for ((tries = 0; tries < 20; tries++)); do
		left=$(processes)
		[ -n "$left" ] || break
		sleep 0.1
	done
	[ -z "$left" ] || fail "processes are left: ${left//$'\n'/ }"
	! grep -F "$work" /proc/self/mountinfo || fail "a mount is left"
}
