/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as nydusd's configuration, JSON or TOML. A refusal has one line of text; what is taken can be
 * shown, reads the same when it was shown, and has layers or a refusal.
 */
#include "nydus/config.h"
#include "nydus/toml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct graft_error *err)
{
	if (!err->code || !err->text[0] || strchr(err->text, '\n'))
		abort();
}

static char *show(const struct nydus_config *c, bool secrets)
{
	json_t *shown = nydus_config_show(c, secrets);
	char *text = json_dumps(shown, JSON_COMPACT);

	if (!shown || !text)
		abort();
	json_decref(shown);
	return text;
}

static void show_and_read(const struct nydus_config *c)
{
	char *text = show(c, true), *again;
	struct graft_error err = { 0 };
	struct nydus_config *d;

	free(show(c, false));
	if (nydus_config_read(&d, text, strlen(text), &err) < 0)
		abort();
	again = show(d, true);
	if (strcmp(text, again) != 0)
		abort();
	nydus_config_free(d);
	free(again);
	free(text);
}

static int add(void *arg, const char *name, const char *value, struct graft_error *err)
{
	(void)err;
	*(size_t *)arg += strlen(name) + strlen(value);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct graft_error err = { 0 };
	struct nydus_config *c;
	size_t bytes = 0;

	json_decref(toml_read((const char *)data, size, &err));
	if (nydus_config_read(&c, (const char *)data, size, &err) < 0) {
		check_refusal(&err);
		return 0;
	}
	show_and_read(c);
	if (nydus_config_mountable(c, &err) < 0)
		check_refusal(&err);
	if (nydus_config_layers(c, add, &bytes, &err) < 0)
		check_refusal(&err);
	nydus_config_free(c);
	return 0;
}
