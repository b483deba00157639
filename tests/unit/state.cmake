# SPDX-License-Identifier: Apache-2.0
# Tests of the state folder and the mounts that are kept there, against a server that only remembers its mounts.
if(NOT TARGET PkgConfig::JANSSON)
	pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
endif()
set(control ${CMAKE_SOURCE_DIR}/server/control)
add_library(state-for-tests STATIC state_fake.c state_fault.c ${control}/instance.c ${control}/manager.c
	${control}/ledger.c ${control}/record.c ${control}/state_json.c ${control}/store.c)
target_link_libraries(state-for-tests PUBLIC graft_lib PkgConfig::JANSSON PkgConfig::CMOCKA)

foreach(part instance files manager)
	graft_add_unit_test(state-${part} LIBS state-for-tests SOURCES state_${part}_test.c)
	target_link_options(test-state-${part} PRIVATE
		-Wl,--wrap=openat,--wrap=fchmod,--wrap=write,--wrap=fsync,--wrap=close,--wrap=renameat,--wrap=renameat2)
endforeach()
