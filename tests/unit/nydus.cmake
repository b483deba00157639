# SPDX-License-Identifier: Apache-2.0
# Tests of nydus/: nydusd's configuration.
foreach(part config show toml)
	graft_add_unit_test(nydus-${part} LIBS graft_nydus PkgConfig::JANSSON SOURCES nydus_${part}_test.c)
endforeach()
