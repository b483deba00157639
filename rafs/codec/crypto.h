/* SPDX-License-Identifier: Apache-2.0 */
/* libcrypto, loaded when an image first needs SHA-256 or AES: most need neither, and loading it takes 1.4 MiB and 2 ms. */
#ifndef GRAFT_RAFS_CODEC_CRYPTO_H
#define GRAFT_RAFS_CODEC_CRYPTO_H

#include "lib/error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

/* The functions of libcrypto that are used, by their own names. */
struct crypto {
	__typeof__(&OPENSSL_init_crypto) OPENSSL_init_crypto;
	__typeof__(&EVP_MD_fetch) EVP_MD_fetch;
	__typeof__(&EVP_MD_free) EVP_MD_free;
	__typeof__(&EVP_MD_CTX_new) EVP_MD_CTX_new;
	__typeof__(&EVP_MD_CTX_free) EVP_MD_CTX_free;
	__typeof__(&EVP_DigestInit_ex2) EVP_DigestInit_ex2;
	__typeof__(&EVP_DigestUpdate) EVP_DigestUpdate;
	__typeof__(&EVP_DigestFinal_ex) EVP_DigestFinal_ex;
	__typeof__(&EVP_Digest) EVP_Digest;
	__typeof__(&EVP_CIPHER_fetch) EVP_CIPHER_fetch;
	__typeof__(&EVP_CIPHER_free) EVP_CIPHER_free;
	__typeof__(&EVP_CIPHER_CTX_new) EVP_CIPHER_CTX_new;
	__typeof__(&EVP_CIPHER_CTX_free) EVP_CIPHER_CTX_free;
	__typeof__(&EVP_CipherInit_ex2) EVP_CipherInit_ex2;
	__typeof__(&EVP_CipherUpdate) EVP_CipherUpdate;
};

/*
 * Loads it if it is not, from any thread. Started without its configuration files, which cost time and could bring in
 * anything, and without clean-up at exit: a worker still running then finds what it uses. It stays loaded. NULL with err
 * (which may be NULL) if it cannot be had; the next call tries again.
 */
const struct crypto *crypto_get(struct graft_error *err);

#endif
