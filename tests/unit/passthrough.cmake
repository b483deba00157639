# SPDX-License-Identifier: Apache-2.0
# Tests of the passthrough plugin: nodes here, files in passthrough-files.cmake.
add_library(passthrough-test-support STATIC fake_host.c passthrough_fixture.c)

foreach(part slab instance nodes races lookup attr namespace creds mounts lock_ranges)
	graft_add_unit_test(passthrough-${part}
		LIBS passthrough-test-support passthrough-objects graft_lib
		SOURCES passthrough_${part}_test.c)
endforeach()

include(${CMAKE_CURRENT_LIST_DIR}/passthrough-files.cmake OPTIONAL)
