# SPDX-License-Identifier: Apache-2.0
# Fuzz targets of rafs/codec. Sources, not the library, so that they are counted for coverage.
set(codec_dir ${CMAKE_SOURCE_DIR}/rafs/codec)
set(codec_libs PkgConfig::LZ4 PkgConfig::ZSTD PkgConfig::ZLIB PkgConfig::CRYPTO graft_lib ${CMAKE_DL_LIBS})
graft_add_fuzzer(rafs-codec LIBS ${codec_libs} SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_rafs_codec.c ${codec_dir}/codec.c
	${codec_dir}/crypto.c ${codec_dir}/xts.c)
graft_add_fuzzer(rafs-zran LIBS ${codec_libs} SOURCES ${CMAKE_CURRENT_LIST_DIR}/fuzz_rafs_zran.c ${codec_dir}/codec.c
	${codec_dir}/crypto.c ${codec_dir}/zran.c)
