# SPDX-License-Identifier: Apache-2.0
# Sanitizers by preset: -DGRAFT_SANITIZE=address,undefined or thread.
if(GRAFT_SANITIZE)
	add_compile_definitions(GRAFT_SANITIZED)
	# -O1 is the level their makers recommend: several times faster than none, and calls stay in the stacks that reports show.
	add_compile_options(-fsanitize=${GRAFT_SANITIZE} -fno-sanitize-recover=all -g -O1 -fno-optimize-sibling-calls)
	# The checks hide from gcc what values can be, and these two then warn of nothing; the other builds have them.
	add_compile_options($<$<C_COMPILER_ID:GNU>:-Wno-format-truncation> $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
	add_link_options(-fsanitize=${GRAFT_SANITIZE})
	# clang links sanitizer runtimes into programs only, so a plugin has undefined symbols by design.
	get_directory_property(links LINK_OPTIONS)
	list(REMOVE_ITEM links "-Wl,--no-undefined")
	set_directory_properties(PROPERTIES LINK_OPTIONS "${links}")
endif()
