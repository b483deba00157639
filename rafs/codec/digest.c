/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of chunks: BLAKE3, or SHA-256 by libcrypto. */
#include "digest.h"

#include "blake3.h"
#include "crypto.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct digest {
	const struct crypto *crypto;
	EVP_MD_CTX *sha256; /* NULL: BLAKE3 */
	bool failed;        /* libcrypto did */
	struct blake3 blake3;
};

/* SHA-256, looked up once in a process and kept. NULL when out of memory; the next call tries again. */
static const EVP_MD *sha256(const struct crypto *k)
{
	static _Atomic(EVP_MD *) kept;
	/* Acquire pairs with the exchange's release: what it points to is seen whole. */
	EVP_MD *have = atomic_load_explicit(&kept, memory_order_acquire), *made;

	if (have || !k)
		return have;
	made = k->EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!made ||
	    atomic_compare_exchange_strong_explicit(&kept, &have, made, memory_order_acq_rel, memory_order_acquire))
		return made;
	k->EVP_MD_free(made);
	return have;
}

struct digest *digest_new(enum rafs_digester digester)
{
	struct digest *d = malloc(sizeof(*d));

	if (!d)
		return NULL;
	d->crypto = NULL;
	d->sha256 = NULL;
	d->failed = false;
	blake3_init(&d->blake3);
	if (digester == RAFS_SHA256) {
		const struct crypto *k = d->crypto = crypto_get(NULL);
		const EVP_MD *md = sha256(k);

		d->sha256 = md ? k->EVP_MD_CTX_new() : NULL;
		if (!d->sha256 || !k->EVP_DigestInit_ex2(d->sha256, md, NULL)) {
			digest_free(d);
			return NULL;
		}
	}
	return d;
}

void digest_free(struct digest *d)
{
	if (d && d->sha256)
		d->crypto->EVP_MD_CTX_free(d->sha256);
	free(d);
}

void digest_add(struct digest *d, const void *bytes, size_t len)
{
	if (!d->sha256)
		blake3_add(&d->blake3, bytes, len);
	else if (!d->crypto->EVP_DigestUpdate(d->sha256, bytes, len))
		d->failed = true;
}

void digest_end(struct digest *d, uint8_t out[RAFS_DIGEST_SIZE])
{
	if (!d->sha256) {
		blake3_end(&d->blake3, out);
		blake3_init(&d->blake3);
		return;
	}
	/* A digest that cannot be had must match nothing. */
	if (!d->crypto->EVP_DigestFinal_ex(d->sha256, out, NULL) || d->failed)
		memset(out, 0, RAFS_DIGEST_SIZE);
	d->failed = !d->crypto->EVP_DigestInit_ex2(d->sha256, NULL, NULL);
}

int digest_of(enum rafs_digester digester, const void *bytes, size_t len, uint8_t out[RAFS_DIGEST_SIZE])
{
	const EVP_MD *md;
	struct blake3 b;

	if (digester == RAFS_SHA256) {
		const struct crypto *k = crypto_get(NULL);

		md = sha256(k);
		return md && k->EVP_Digest(bytes, len, out, NULL, md, NULL) ? 0 : -ENOMEM;
	}
	blake3_init(&b);
	blake3_add(&b, bytes, len);
	blake3_end(&b, out);
	return 0;
}
