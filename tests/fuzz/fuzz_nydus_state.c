/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the states that daemons hand to each other. Checksums always fit, or no changed input would get past them. What is read is
 * written and read again, and must be the same then.
 */
#include "server/control/upgrade/crc64.h"
#include "server/control/upgrade/nydus_state.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool reading;

/* In the place of crc64.c: what stands behind the bytes, while some are read. */
uint64_t crc64_jones(const void *bytes, size_t len)
{
	uint64_t crc = 0;

	if (reading)
		memcpy(&crc, (const char *)bytes + len, sizeof(crc));
	return crc;
}

static int decode(struct nydus_state *s, const void *bytes, size_t len)
{
	reading = true;
	int res = nydus_state_decode(s, bytes, len, NULL);
	reading = false;
	return res;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nydus_state first, second;
	unsigned char *once, *twice;
	size_t len, len_twice;

	if (decode(&first, data, size))
		return 0;
	if (nydus_state_encode(&first, &once, &len, NULL) || decode(&second, once, len) ||
	    nydus_state_encode(&second, &twice, &len_twice, NULL))
		abort();
	if (len != len_twice || memcmp(once, twice, len) != 0)
		abort();
	free(once);
	free(twice);
	nydus_state_fini(&first);
	nydus_state_fini(&second);
	return 0;
}
