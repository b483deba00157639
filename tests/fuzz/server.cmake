# SPDX-License-Identifier: Apache-2.0
# Fuzz target of the FUSE decoder and all behind it. Sources, not libraries, so that they are counted for coverage.
include(${CMAKE_SOURCE_DIR}/server/sources.cmake)
include(${CMAKE_SOURCE_DIR}/server/config.cmake)
graft_add_fuzzer(fuse LIBS ${GRAFT_CONFIG_LIBS} ${GRAFT_URING} SOURCES fuzz_fuse.c ${GRAFT_SERVER_SOURCES} ${GRAFT_CONFIG_SOURCES})
target_compile_definitions(fuzz-fuse PRIVATE ${GRAFT_CONFIG_DEFINITIONS})
