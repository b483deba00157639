/* SPDX-License-Identifier: Apache-2.0 */
/* libcrypto, loaded when an image first needs SHA-256 or AES. */
#include "crypto.h"

#include "lib/cleanup.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)
#define LIBRARY  "libcrypto.so." TEXT(OPENSSL_SHLIB_VERSION) /* the version we were compiled for */
#define NAMED(f) { #f, offsetof(struct crypto, f) }

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
	NAMED(OPENSSL_init_crypto), NAMED(EVP_MD_fetch),	NAMED(EVP_MD_free),	   NAMED(EVP_MD_CTX_new),
	NAMED(EVP_MD_CTX_free),	    NAMED(EVP_DigestInit_ex2),	NAMED(EVP_DigestUpdate),   NAMED(EVP_DigestFinal_ex),
	NAMED(EVP_Digest),	    NAMED(EVP_CIPHER_fetch),	NAMED(EVP_CIPHER_free),	   NAMED(EVP_CIPHER_CTX_new),
	NAMED(EVP_CIPHER_CTX_free), NAMED(EVP_CipherInit_ex2),  NAMED(EVP_CipherUpdate),
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct crypto table; /* lock, until ready */
static _Atomic bool ready;

static int find_functions(void *library, struct graft_error *err)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *f = dlsym(library, functions[i].name);

		if (!f)
			return error_set(err, ENOSYS, LIBRARY " has no %s", functions[i].name);
		memcpy((char *)&table + functions[i].offset, &f, sizeof(f));
	}
	return 0;
}

static int load(struct graft_error *err)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);

	if (!library)
		return error_set(err, ENOENT, "SHA-256 and AES need libcrypto: %s", dlerror());
	int res = find_functions(library, err);
	if (res < 0)
		return res;
	if (!table.OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL))
		return error_set(err, ENOMEM, LIBRARY " cannot be started");
	/* Pairs with the acquire in crypto_get. */
	atomic_store_explicit(&ready, true, memory_order_release);
	return 0;
}

const struct crypto *crypto_get(struct graft_error *err)
{
	if (atomic_load_explicit(&ready, memory_order_acquire))
		return &table;
	LOCK_SCOPE(&lock);
	if (!atomic_load_explicit(&ready, memory_order_relaxed) && load(err) < 0)
		return NULL;
	return &table;
}
