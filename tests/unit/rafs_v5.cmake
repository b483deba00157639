# SPDX-License-Identifier: Apache-2.0
# Tests of rafs/meta: RAFS v5, and what both versions share.
if(NOT TARGET PkgConfig::JANSSON)
	pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
endif()

set(rafs_image_walk ${CMAKE_CURRENT_LIST_DIR}/rafs_image_walk.c ${CMAKE_CURRENT_LIST_DIR}/rafs_image_touch.c
	${CMAKE_CURRENT_LIST_DIR}/rafs_v5_patch.c)
foreach(name v5 v5_reject v5_forms path)
	graft_add_unit_test(rafs_${name} LIBS graft_rafs PkgConfig::JANSSON
		SOURCES ${CMAKE_CURRENT_LIST_DIR}/rafs_${name}_test.c ${rafs_image_walk})
	target_compile_definitions(test-rafs_${name} PRIVATE TEST_IMAGES="${CMAKE_SOURCE_DIR}/tests/images")
endforeach()
