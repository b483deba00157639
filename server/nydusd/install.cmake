# SPDX-License-Identifier: Apache-2.0
# The program under nydusd's name, in a folder of its own so that another nydusd stays.
file(RELATIVE_PATH target ${CMAKE_INSTALL_FULL_LIBEXECDIR}/graftfs ${CMAKE_INSTALL_FULL_BINDIR}/graftfsd)
file(CREATE_LINK ${target} ${CMAKE_BINARY_DIR}/links/nydusd SYMBOLIC)
file(CREATE_LINK graftfsd ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/nydusd SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/links/nydusd DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/graftfs)
