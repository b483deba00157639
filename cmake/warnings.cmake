# SPDX-License-Identifier: Apache-2.0
# Warnings for everything that is ours, clean with gcc 12 and clang 14.
add_compile_options(-Wall -Wextra -Wshadow -Wformat=2 -Wswitch-enum -Wvla -Wpointer-arith -Wundef)
add_compile_options($<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>)
if(GRAFT_WERROR)
	add_compile_options(-Werror)
endif()
add_compile_options(-fno-omit-frame-pointer -fstack-protector-strong)
if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT GRAFT_SANITIZE)
	add_compile_options(-D_FORTIFY_SOURCE=2)
endif()
add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,--no-undefined)
