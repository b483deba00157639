# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The daemon with a state folder and an API, driven over HTTP: see ../lib.sh. The test runs in a mount namespace of
# its own, so that what it looks for in mountinfo is its own as well.

if [ -z "${GRAFT_TEST_NAMESPACE:-}" ] && unshare --mount true 2>/dev/null; then
	GRAFT_TEST_NAMESPACE=private exec unshare --mount --propagation private "$0" "$@"
fi
transport=${transport:-vhost-user}
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
api=$work/api.sock
# shellcheck disable=SC2034  # for those that source this
state=$work/state/web1
others=() # processes to end with the test
mounts_before=$(sort /proc/self/mountinfo)
for tool in curl jq; do
	command -v "$tool" >/dev/null || skip "needs $tool"
done

need_dev_fuse() {
	need_root
	[ -c /dev/fuse ] && [ -r /dev/fuse ] && [ -w /dev/fuse ] || skip "no /dev/fuse here"
	[ -n "${GRAFT_TEST_NAMESPACE:-}" ] || skip "no mount namespace of the test's own can be made"
}

# state_keys: for write_config and start_daemon.
state_keys() {
	echo "server.instance=web1 server.state-dir=$work/state server.api-socket=$api"
}

# mountinfo_clean: nothing is mounted that was not before the test, or says what is. (Others' mounts may go with their
# folder.)
mountinfo_clean() {
	local new
	new=$(comm -13 <(echo "$mounts_before") <(sort /proc/self/mountinfo))
	[ -z "$new" ] || { echo "$new" && return 1; }
}

# A daemon whose request another one holds cannot even be killed.
let_go() {
	local pid
	for pid in "${others[@]}"; do
		! kill -KILL "$pid" 2>/dev/null || wait "$pid" 2>/dev/null || true
	done
}

look_after() {
	mountinfo_clean || {
		echo "FAILED: mounts were left behind"
		awk -v below="$work/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | tac | xargs -r -n 1 umount -l
		return 1
	}
}

# http METHOD PATH [BODY]: prints the status, 000 where the daemon is not there; the body goes to $work/answer.$BASHPID.
http() {
	curl --silent --max-time 30 --unix-socket "$api" -X "$1" -o "$work/answer.$BASHPID" -w '%{http_code}' \
		${3:+-H 'Content-Type: application/json' -d "$3"} "http://graft$2" || true
}

# change POST|PUT AT SOURCE, change DELETE AT: by nydusd's API, which remounts images only, so PUT by graftfs's own; prints the status.
change() {
	case $1 in
	DELETE) http DELETE "/api/v1/mount?mountpoint=$2" ;;
	PUT) http PUT "/api/graft/v1/mounts?at=$2" "{\"type\":\"passthrough\",\"config\":{\"source\":\"$3\"}}" | sed 's/^200$/204/' ;;
	POST) http POST "/api/v1/mount?mountpoint=$2" "{\"fs_type\":\"passthrough_fs\",\"source\":\"$3\",\"config\":\"\"}" ;;
	esac
}

# changed ARGUMENTS OF change: must end with 204.
changed() {
	local code
	code=$(change "$@")
	[ "$code" = 204 ] || fail "$*: $code $(cat "$work"/answer.* 2>/dev/null)"
}

# mounted: "AT STATE SOURCE" of each mount but that of the configuration file, sorted.
mounted() {
	curl --silent --fail --max-time 30 --unix-socket "$api" http://graft/api/graft/v1/mounts |
		jq -r '.[] | select(.at != "/") | "\(.at) \(.state) \(.keys.source)"' | sort
}

# kill_daemon: SIGKILL.
kill_daemon() {
	kill -KILL "$daemon"
	wait "$daemon" 2>/dev/null || true
	daemon=''
}

# refused SECONDS: runs the daemon on $work/test.ini; it must end with status 1 by itself. Its words go to
# $work/refused.
refused() {
	local status=0
	timeout -s KILL "$1" "$program" --config "$work/test.ini" >"$work/refused" 2>&1 </dev/null || status=$?
	[ $status = 1 ] || fail "graftfsd ended with $status instead of 1: $(cat "$work/refused")"
}
