# SPDX-License-Identifier: Apache-2.0
# Sanitizers by preset: -DGRAFT_SANITIZE=address,undefined or thread.
if(GRAFT_SANITIZE)
	add_compile_definitions(GRAFT_SANITIZED)
	add_compile_options(-fsanitize=${GRAFT_SANITIZE} -fno-sanitize-recover=all -g)
	add_link_options(-fsanitize=${GRAFT_SANITIZE})
	# clang links sanitizer runtimes into programs only, so a plugin has undefined symbols by design.
	get_directory_property(links LINK_OPTIONS)
	list(REMOVE_ITEM links "-Wl,--no-undefined")
	set_directory_properties(PROPERTIES LINK_OPTIONS "${links}")
endif()
