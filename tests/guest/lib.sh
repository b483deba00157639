# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The guest is a machine of its own, on the daemon's virtio-fs device: see ../lib.sh.

transport=vhost-user
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
confine
guest_dir=$tests_dir/guest
export TSAN_OPTIONS="${TSAN_OPTIONS:-} suppressions=$guest_dir/tsan.supp"

need_guest() {
	local why
	why=$("$guest_dir/kernel" 2>&1 >/dev/null) || skip "$why"
	[ -w /dev/shm ] || skip "a guest's memory is shared through /dev/shm, which cannot be written"
}

run_guest() {
	exec "$guest_dir/run" "${@:1:$#-1}" "$socket" "${!#}"
}

look_after() { :; }

# The marks lie on hostfs, so that they cost no node of the share.
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
