# SPDX-License-Identifier: Apache-2.0
# Tests of rafs/cache and of the local backends of rafs/blob.
foreach(part backend gpt dir file trim plain faults)
	graft_add_unit_test(rafs-cache-${part} LIBS graft_rafs SOURCES rafs_cache_fixture.c rafs_cache_${part}_test.c)
endforeach()
foreach(call malloc calloc reallocarray strdup strndup openat linkat renameat ftruncate)
	target_link_options(test-rafs-cache-faults PRIVATE -Wl,--wrap=${call})
endforeach()
graft_add_unit_test(rafs-cache-dedup LIBS graft_rafs PkgConfig::SQLITE SOURCES rafs_cache_fixture.c rafs_cache_dedup_test.c)
