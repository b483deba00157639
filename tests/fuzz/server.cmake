# SPDX-License-Identifier: Apache-2.0
# Fuzz target of the FUSE decoder and all behind it. Sources, not libraries, so that they are counted for coverage.
include(${CMAKE_SOURCE_DIR}/server/sources.cmake)
graft_add_fuzzer(fuse LIBS graft_lib SOURCES fuzz_fuse.c ${GRAFT_SERVER_SOURCES})
