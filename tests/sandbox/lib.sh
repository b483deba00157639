# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests of the sandbox share, beside ../guest/lib.sh. A test is called with MODE USER: the sandbox, and root or nobody, who starts the
# daemon. Where it stands in namespaces, $daemon is the parent and $inside the daemon.
# shellcheck source=../guest/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../guest/lib.sh"
bystander=''
inside=''
# A sandbox has no /proc, which the leak checker wants.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0"

# take_case MODE USER
take_case() {
	sandbox=$1
	need_root
	[ "$2" = root ] || as_nobody
	[ "$sandbox:$2" != namespace:nobody ] || need_user_namespace
	[ "$sandbox" = none ] || [ "$2" != root ] || unshare --mount --pid --fork --net --ipc true 2>/dev/null ||
		skip "no namespaces can be made here"
	[ -w /dev/shm ] || skip "memory is shared through /dev/shm, which cannot be written"
}

# find_inside: sets $inside, when the parent's helpers have gone.
find_inside() {
	inside=$daemon
	[ "$sandbox" = none ] || await 5 one_child
}

one_child() {
	inside=$(cat "/proc/$daemon/task/$daemon/children") && inside=${inside% }
	[[ $inside =~ ^[0-9]+$ ]]
}

# field NAME PID: of /proc/PID/status.
field() {
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$2/status"
}

# await SECONDS WORDS...: until the command succeeds.
await() {
	local tries
	for ((tries = 0; tries < $1 * 20; tries++)); do
		! "${@:2}" || return 0
		sleep 0.05
	done
	fail "after $1 seconds not yet: ${*:2}"
}

gone() { [ ! -e "/proc/$1/status" ] || [[ $(field State "$1") == Z* ]]; }
api() { "${GRAFTCTL:?names graftctl}" --socket "$work/api" "$@"; }

let_go() {
	[ -z "$bystander" ] || { kill "$bystander" && wait "$bystander"; } || true
	bystander=''
}

# start_bystander: sets $port and $key; $work/manager is the service manager's socket, $work/bystander.out what came there.
start_bystander() {
	"${GRAFT_BYSTANDER:?names it}" "graftfs-test-$$" "$work/manager" >"$work/bystander.out" &
	bystander=$!
	await 5 test -s "$work/bystander.out"
	# shellcheck disable=SC2034  # for those that source this
	read -r port key <"$work/bystander.out"
	chmod 666 "$work/manager"
}
