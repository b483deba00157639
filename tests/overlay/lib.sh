# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The overlay layer with this host's kernel on it, and beside it the kernel's own overlayfs, each with an upper and a work directory of its
# own over the same folder. Sourced by the tests of this folder.
# shellcheck disable=SC2034  # the variables are for those that source this

# shellcheck source=../fuse/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../fuse/lib.sh"

area=$work/area # a file system of its own: both overlays need one that can hold an upper directory
lower=$share
theirs=$work/theirs # where the kernel's is mounted

let_go() {
	! mountpoint -q "$theirs" || umount -l "$theirs" || true
	! mountpoint -q "$mnt" || umount -l "$mnt" || true
	! mountpoint -q "$area" || umount -l "$area" || true
}

need_overlayfs() {
	need_guest
	mkdir -p "$area" "$theirs"
	mount -t tmpfs -o mode=711 area "$area"
	mkdir "$area"/{upper,work,their-upper,their-work,probe}
	mount_theirs "$area/probe" || skip "this kernel has no overlayfs"
	umount "$theirs"
	setfattr -n user.probe -v x "$area/probe" 2>/dev/null || skip "no user attributes on tmpfs here (Linux 6.6)"
	command -v getfattr >/dev/null || skip "getfattr is missing"
}

# mount_theirs LOWER [UPPER WORK]
mount_theirs() {
	local upper=${2:-$area/their-upper} dir=${3:-$area/their-work}
	mount -t overlay -o "lowerdir=$1,upperdir=$upper,workdir=$dir,index=off,metacopy=off,redirect_dir=off,xino=off" theirs "$theirs" 2>/dev/null
}

# start_overlay [KEY=VALUE...]: a daemon with the layer over $lower. Marks as the kernel's need CAP_SYS_ADMIN.
# shellcheck disable=SC2120  # arguments are optional
start_overlay() {
	start_daemon xattr=yes layers=overlay overlay.upper-dir="${upper:-$area/upper}" overlay.work-dir="${workdir:-$area/work}" \
		server.modcaps=+sys_admin "$@"
	await_mount
}

await_mount() {
	local tries
	for ((tries = 0; tries < 100; tries++)); do
		! mountpoint -q "$mnt" || return 0
		sleep 0.05
	done
	fail "the overlay was not mounted"
}

# tree DIR: what is in it, one line for each thing; names, kinds, modes, owners, links, data, attributes.
tree() {
	(
		cd "$1"
		find . -mindepth 1 -printf '%p %y %m %U:%G %l\n' | sort
		find . -mindepth 1 ! -type d ! -type c -printf '%p %s %n\n' | sort
		find . -mindepth 1 -type c -exec stat -c '%n %t:%T' {} + | sort
		find . -type f -exec sha256sum {} + | sort -k 2
		find . -type f -newermt 2000-01-01 ! -newermt 2021-01-01 -printf '%p %T@\n' | sort
		find . -mindepth 1 \( -type f -o -type d \) -print0 | sort -z | xargs -0 getfattr -h -d -m '^user\.' 2>/dev/null
	)
}

# same WHAT A B: files are equal.
same() {
	diff "$2" "$3" >"$work/differences" || { head -n 20 "$work/differences" && fail "$1"; }
}
