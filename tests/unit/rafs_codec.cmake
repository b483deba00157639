# SPDX-License-Identifier: Apache-2.0
# Tests of rafs/codec: checksums, decompression, decryption, gzip random access.
if(NOT TARGET PkgConfig::CRYPTO)
	pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
endif()
foreach(name hash decompress xts zran)
	graft_add_unit_test(rafs-codec-${name} LIBS graft_rafs PkgConfig::CRYPTO
		SOURCES ${CMAKE_CURRENT_LIST_DIR}/rafs_codec_${name}_test.c)
endforeach()
# What the libraries allocate fails when told to.
graft_add_unit_test(rafs-codec-memory LIBS graft_rafs PkgConfig::CRYPTO SOURCES ${CMAKE_CURRENT_LIST_DIR}/rafs_codec_memory_test.c)
target_link_options(test-rafs-codec-memory PRIVATE
	-Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=ZSTD_createDCtx -Wl,--wrap=inflateInit2_ -Wl,--wrap=inflate
	-Wl,--wrap=inflateSetDictionary -Wl,--wrap=dlsym)
