# SPDX-License-Identifier: Apache-2.0
# Fuzz targets of partition tables and of cache files. Sources, not the library, so that they are counted for coverage.
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
graft_add_fuzzer(rafs-gpt LIBS graft_lib PkgConfig::ZLIB SOURCES fuzz_rafs_gpt.c ${CMAKE_SOURCE_DIR}/rafs/blob/gpt.c)
set(cache_dir ${CMAKE_SOURCE_DIR}/rafs/cache)
set(blob_dir ${CMAKE_SOURCE_DIR}/rafs/blob)
graft_add_fuzzer(rafs-chunk-map LIBS graft_lib PkgConfig::ZLIB SOURCES fuzz_rafs_chunk_map.c ${cache_dir}/chunk_map.c
	${cache_dir}/cache_file.c ${cache_dir}/cache_dir.c ${blob_dir}/backend.c ${blob_dir}/localfs.c
	${blob_dir}/localdisk.c ${blob_dir}/local_file.c ${blob_dir}/gpt.c)
