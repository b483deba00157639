/* SPDX-License-Identifier: Apache-2.0 */
/* How libcrypto is started here. */
#ifndef GRAFT_RAFS_CODEC_CRYPTO_H
#define GRAFT_RAFS_CODEC_CRYPTO_H

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Before the first use, from any thread, any number of times. No configuration files: they cost time and memory, and
 * could bring in anything. No clean-up at exit: a worker still running then finds what it uses; what libcrypto holds
 * stays reachable and goes with the process. False when out of memory.
 */
static inline bool crypto_start(void)
{
	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) == 1;
}

#endif
