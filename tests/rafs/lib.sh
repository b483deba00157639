# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Nydus images for tests with a kernel: those of tests/images/table, each at /images/NAME of one daemon. Sourced by tests that have said
# what their guest is (../lib.sh).
#   GRAFTCTL, GRAFT_MANIFEST   graftctl and graft-manifest
# shellcheck disable=SC2034  # the variables are for those that source this

# shellcheck source=../guest/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../${GRAFT_GUEST:-guest}/lib.sh"
ctl=$(readlink -f "${GRAFTCTL:?names graftctl}")
manifest=$(readlink -f "${GRAFT_MANIFEST:?names graft-manifest}")
images=$tests_dir/images
api=$work/api

# image_rows: "NAME SOURCE EXPECTED" of each image of the table, in full paths. A folder that the table does not know fails the test.
image_rows() {
	local folder name source expected
	for folder in "$images"/*/; do
		grep -q "^$(basename "$folder")[[:space:]]" "$images/table" || fail "tests/images/table does not have ${folder#"$images/"}"
	done
	while read -r name source expected; do
		case $name$source in
		'' | '#'* | *-) continue ;;
		esac
		[ -e "$images/$name/$expected" ] && expected=$images/$name/$expected || expected=$images/$expected
		echo "$name $images/$name/$source $expected"
	done <"$images/table"
}

# blobs_of NAME: the folder of its blobs. An image without data has none.
blobs_of() {
	if [ -d "$images/$1/blobs" ]; then echo "$images/$1/blobs"; else echo "$images/$1"; fi
}

# mount_section NAME AT SOURCE KEY=VALUE...: one more mount in the configuration that was written.
mount_section() {
	local name=$1 at=$2 source=$3
	shift 3
	{
		printf '%s\n' "[mount $name]" "at = $at" 'type = nydus-rafs' "source = $source"
		[ $# = 0 ] || printf '%s\n' "${@/=/ = }"
	} >>"$work/test.ini"
}

# api_call COMMAND...: graftctl, which must succeed.
api_call() {
	"$ctl" --socket "$api" "$@" >"$work/ctl.out" 2>&1 || { cat "$work/ctl.out" && fail "graftctl $*"; }
}

# mount_image AT SOURCE KEY=VALUE...: while the daemon runs.
mount_image() {
	local at=$1 source=$2 pair options=()
	shift 2
	for pair in "$@"; do
		options+=(-o "$pair")
	done
	api_call mount "$source" "$at" --type nydus-rafs "${options[@]}"
}

# start_with_images KEY=VALUE...: a daemon with all images, every second one mounted while it runs. The keys are each mount's; server.KEY
# and transport.KEY as for write_config.
start_with_images() {
	local name source expected pair mine=() others=() later=0
	for pair in "$@"; do
		case $pair in
		server.* | transport.*) others+=("$pair") ;;
		*) mine+=("$pair") ;;
		esac
	done
	image_rows >"$work/rows"
	write_config server.api-socket="$api" "${others[@]}"
	while read -r name source expected; do
		later=$((1 - later))
		[ $later = 1 ] || mount_section "$name" "/images/$name" "$source" blob-dir="$(blobs_of "$name")" "${mine[@]}"
	done <"$work/rows"
	launch
	later=0
	while read -r name source expected; do
		later=$((1 - later))
		[ $later = 0 ] || mount_image "/images/$name" "$source" blob-dir="$(blobs_of "$name")" "${mine[@]}"
	done <"$work/rows"
}

# compare_images: shell text for a guest, in whose working directory the images are: prints what is not as it should be, and ends with 1
# where there is something. A guest's kernel has no ACLs in a submount: of those only the names are compared there.
compare_images() {
	local name source expected values=''
	[ "$transport" = fuse ] || values='s/\("system.posix_acl_[a-z]*"\): \(null\|"[0-9a-f]*"\)/\1/g'
	cat <<END
bad=0
compare() {
	'$manifest' "images/\$1" >"\$TMPDIR/all" 2>"\$TMPDIR/said" || bad=1
	sed '$values' "\$TMPDIR/all" >"\$TMPDIR/lines"
	sed '$values' "\$2" | cmp -s "\$TMPDIR/lines" && [ ! -s "\$TMPDIR/said" ] && return
	bad=1
	echo "\$1 is not as it should be:"
	head -n 5 "\$TMPDIR/said"
	sed '$values' "\$2" | diff - "\$TMPDIR/lines" | head -n 8 | cut -c 1-300
}
END
	while read -r name source expected; do
		echo "compare $name '$expected'"
	done <"$work/rows"
	echo "[ \$bad = 0 ]"
}

# is_image AT EXPECTED: the host's own mount shows at this path what the file says.
is_image() {
	"$manifest" "$mnt$1" >"$work/lines" 2>"$work/said" && cmp -s "$work/lines" "$2" && return
	head -n 5 "$work/said"
	diff "$2" "$work/lines" | head -n 8 | cut -c 1-300
	fail "$1 is not as it should be"
}
