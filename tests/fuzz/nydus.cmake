# SPDX-License-Identifier: Apache-2.0
# Fuzz target of nydusd's configuration. Sources, not libraries, so that they are counted for coverage.
graft_add_fuzzer(nydus-config LIBS PkgConfig::JANSSON SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_nydus_config.c
	${GRAFT_NYDUS_SOURCES} ${CMAKE_SOURCE_DIR}/lib/error.c)
