# SPDX-License-Identifier: Apache-2.0
# Fuzz targets of chunk tables and of what stands at a blob's end. Sources, so that they are counted for coverage; what
# they call comes from the library.
set(blob_dir ${CMAKE_SOURCE_DIR}/rafs/blob)
graft_add_fuzzer(rafs-chunk-table LIBS graft_rafs SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_rafs_chunk_table.c
	${blob_dir}/blob_toc.c ${blob_dir}/chunk_table.c ${blob_dir}/chunk_table_load.c ${blob_dir}/section.c
	${blob_dir}/tar_header.c ${blob_dir}/toc.c)
graft_add_fuzzer(rafs-toc LIBS graft_rafs SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_rafs_toc.c ${blob_dir}/bootstrap.c
	${blob_dir}/section.c ${blob_dir}/tar_header.c ${blob_dir}/toc.c)
