# SPDX-License-Identifier: Apache-2.0
# Fuzz target of v5 bootstraps. Sources for what is to be counted for coverage, the library for what they call.
set(meta_dir ${CMAKE_SOURCE_DIR}/rafs/meta)
graft_add_fuzzer(rafs-v5 LIBS graft_rafs SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_rafs_v5.c
	${CMAKE_SOURCE_DIR}/tests/unit/rafs_image_touch.c ${meta_dir}/image.c ${meta_dir}/v5.c ${meta_dir}/v5_file.c
	${meta_dir}/v5_inode.c)
