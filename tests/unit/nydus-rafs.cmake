# SPDX-License-Identifier: Apache-2.0
# Tests of the nydus-rafs plugin: its configuration, and its operations over images, with an engine that only remembers what
# it was asked for (nydus-rafs_reader.c) and with the real one (image).
add_library(nydus-rafs-test-support STATIC fake_host.c nydus-rafs_fixture.c)
target_compile_definitions(nydus-rafs-test-support PRIVATE IMAGES="${CMAKE_SOURCE_DIR}/tests/images")
target_link_libraries(nydus-rafs-test-support PUBLIC graft_rafs graft_nydus)

foreach(part config mount meta data files push)
	graft_add_unit_test(nydus-rafs-${part}
		LIBS nydus-rafs-test-support nydus-rafs-objects graft_rafs graft_nydus
		SOURCES nydus-rafs_${part}_test.c nydus-rafs_reader.c)
endforeach()
target_link_options(test-nydus-rafs-files PRIVATE -Wl,--wrap=mmap)
target_link_options(test-nydus-rafs-push PRIVATE -Wl,--wrap=thread_start)
graft_add_unit_test(nydus-rafs-tape SOURCES nydus-rafs_tape_test.c ${CMAKE_SOURCE_DIR}/plugins/nydus-rafs/tape.c)
target_link_options(test-nydus-rafs-tape PRIVATE -Wl,--wrap=calloc)
graft_add_unit_test(nydus-rafs-image
	LIBS nydus-rafs-test-support nydus-rafs-objects graft_rafs graft_nydus
	SOURCES nydus-rafs_image_test.c)
# All images, read again and again; sanitizers make that slow.
set_tests_properties(unit/nydus-rafs-image PROPERTIES LABELS full TIMEOUT 1800 COST 300)
