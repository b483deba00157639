# SPDX-License-Identifier: Apache-2.0
# Tests of rafs/blob: bootstraps in blobs, tables of contents, chunk tables.
foreach(name find table reject)
	graft_add_unit_test(rafs_blob_${name} LIBS graft_rafs
		SOURCES ${CMAKE_CURRENT_LIST_DIR}/rafs_blob_${name}_test.c ${CMAKE_CURRENT_LIST_DIR}/rafs_blob_rig.c)
	target_compile_definitions(test-rafs_blob_${name} PRIVATE TEST_IMAGES="${CMAKE_SOURCE_DIR}/tests/images")
endforeach()
