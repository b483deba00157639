# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Builds the examples as a third party would: outside the tree, against nothing but what an installation lays down, found through
# pkg-config. Sourced.

# install_into BUILD FOLDER: and lets pkg-config look there.
install_into() {
	DESTDIR=$2 cmake --install "$1" >"$2/install.log" || { cat "$2/install.log" && return 1; }
	PKG_CONFIG_PATH=$(dirname "$(find "$2" -name graftfs-plugin.pc)")
	PKG_CONFIG_SYSROOT_DIR=$2
	export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
}

# build_examples EXAMPLES FOLDER: memfs.so and faults.so, and memfs-test.
build_examples() {
	local flags
	read -ra flags <<<"$(pkg-config --cflags graftfs-plugin)"
	(
		cd "$2" &&
			gcc -std=gnu99 -O2 -Wall -Wextra -Werror -shared -fPIC "${flags[@]}" -o memfs.so "$1/memfs.c" &&
			gcc -std=gnu99 -g -Wall -Wextra -Werror "${flags[@]}" -o memfs-test "$1/memfs_test.c" "$1/memfs.c" &&
			g++ -std=c++17 -O2 -Wall -Wextra -Werror -shared -fPIC "${flags[@]}" -o faults.so "$1/faults.cc"
	)
}
