# SPDX-License-Identifier: Apache-2.0
# Fuzz target of what the daemon inside a sandbox sends to the service outside.
graft_add_fuzzer(outside SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_outside.c ${CMAKE_SOURCE_DIR}/server/sandbox/outside_wire.c)
