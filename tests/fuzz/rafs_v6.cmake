# SPDX-License-Identifier: Apache-2.0
# Fuzz target of v6 bootstraps. Sources for what is to be counted for coverage, the library for what they call.
set(meta_dir ${CMAKE_SOURCE_DIR}/rafs/meta)
graft_add_fuzzer(rafs-v6 LIBS graft_rafs SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_rafs_v6.c
	${CMAKE_SOURCE_DIR}/tests/unit/rafs_image_touch.c ${meta_dir}/image.c ${meta_dir}/v6_blobs.c ${meta_dir}/v6_dir.c
	${meta_dir}/v6_file.c ${meta_dir}/v6_inode.c ${meta_dir}/v6_super.c ${meta_dir}/v6_xattr.c)
