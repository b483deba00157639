# SPDX-License-Identifier: Apache-2.0
# Fuzz target of the control API's bodies, targets and answers. Sources, not libraries, so that they are counted for coverage.
include(${CMAKE_SOURCE_DIR}/server/control/sources.cmake)
graft_add_fuzzer(control LIBS ${GRAFT_CONTROL_LIBS} SOURCES fuzz_control.c ../unit/control_fake.c ../../lib/error.c
	../../lib/unix_name.c
	${GRAFT_CONTROL_API_SOURCES})
# Of the states that daemons hand over; with a checksum that always fits.
graft_add_fuzzer(nydus-state LIBS graft_lib SOURCES fuzz_nydus_state.c ${control_dir}/upgrade/nydus_state.c ${control_dir}/upgrade/wire.c)
