# SPDX-License-Identifier: Apache-2.0
# The program under virtiofsd's name, in a folder of its own so that a distribution's virtiofsd stays, and the file by which management
# tools find it (QEMU, docs/interop/vhost-user.json).
set(GRAFT_VIRTIOFSD ${CMAKE_INSTALL_FULL_LIBEXECDIR}/graftfs/virtiofsd)
file(RELATIVE_PATH target ${CMAKE_INSTALL_FULL_LIBEXECDIR}/graftfs ${CMAKE_INSTALL_FULL_BINDIR}/graftfsd)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/links ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
file(CREATE_LINK ${target} ${CMAKE_BINARY_DIR}/links/virtiofsd SYMBOLIC)
file(CREATE_LINK graftfsd ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/virtiofsd SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/links/virtiofsd DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/graftfs)
configure_file(virtiofsd/50-graftfs.json.in ${CMAKE_BINARY_DIR}/50-graftfs.json @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/50-graftfs.json DESTINATION ${CMAKE_INSTALL_DATADIR}/qemu/vhost-user)
