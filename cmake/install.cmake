# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` lays down: programs, plugins (in plugins/), the public headers, pkg-config file, man pages.
install(DIRECTORY include/graftfs DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_file(cmake/graftfs-plugin.pc.in graftfs-plugin.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/graftfs-plugin.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
add_subdirectory(conf/systemd)
install(FILES conf/quickstart.ini conf/nydus-image.ini conf/xattrmap.ini conf/idmap.ini conf/overlay.ini DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES docs/writing-a-plugin.md docs/abi-changes.md docs/moving-from-virtiofsd.md docs/moving-from-nydusd.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES examples/memfs.c examples/memfs_test.c examples/faults.cc DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES docs/graftfs-plugin.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
install(FILES docs/graftfsd.8 docs/graftfsd-virtiofsd.8 docs/graftfsd-nydusd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES docs/graftfs.ini.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES plugins/passthrough/graftfs-passthrough.7 plugins/nydus-rafs/graftfs-nydus-rafs.7
	plugins/xattrmap/graftfs-xattrmap.7 plugins/idmap/graftfs-idmap.7 plugins/overlay/graftfs-overlay.7
	DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
