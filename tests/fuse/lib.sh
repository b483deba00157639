# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The guest is this host's own kernel, by /dev/fuse: see ../lib.sh. The test runs in a mount namespace of its own, so that nothing
# it mounts, or fails to unmount, is seen from outside.

if [ -z "${GRAFT_TEST_NAMESPACE:-}" ] && unshare --mount true 2>/dev/null; then
	GRAFT_TEST_NAMESPACE=private exec unshare --mount --propagation private "$0" "$@"
fi
transport=fuse
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
confine
# Tests become other users, who must reach the mount.
chmod 711 "$work"

need_guest() {
	need_root
	[ -c /dev/fuse ] && [ -r /dev/fuse ] && [ -w /dev/fuse ] || skip "no /dev/fuse here"
	[ -n "${GRAFT_TEST_NAMESPACE:-}" ] || skip "no mount namespace of the test's own can be made"
}

run_guest() {
	local seconds=60 letter
	while getopts t:o:c:m:g: letter; do
		[ "$letter" != t ] || seconds=$OPTARG
	done
	mountpoint -q "$mnt" || exit 125
	mkdir -p "$work/tmp"
	printf '%s\n' "${!#}" >"$work/commands"
	cd "$mnt" || exit 125
	TMPDIR=$work/tmp exec timeout --foreground -k 5 "$seconds" bash "$work/commands"
}

# left_mounts: those below the test's folder.
left_mounts() {
	awk -v below="$work/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo
}

look_after() {
	local left
	left=$(left_mounts)
	[ -n "$left" ] || return 0
	tac <<<"$left" | xargs -n 1 umount -l
	echo "FAILED: mounts were left behind: $left"
	return 1
}

# A remount drops what the kernel holds of this file system alone.
guest_steps() {
	mkdir -p "$work/steps"
	cat <<END
step() {
	[ "\${2:-}" = keep ] || { sync -f . && mount -i -o remount '$mnt'; }
	: >'$work/steps/'"\$1"
	until [ -e '$work/steps/'"\$1.passed" ]; do sleep 0.1; done
}
END
}
