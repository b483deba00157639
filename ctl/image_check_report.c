/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl image check: findings, progress and the verdict. */
#include "ctl/image_check.h"

#include "ctl/image.h"
#include "ctl/image_text.h"
#include "ctl/terminal.h"
#include "ctl/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define FINDINGS_SHOWN 1000
#define PROGRESS_NS UINT64_C(100000000)
#define CLEAR_LINE "\r\x1b[K"

static void clear_progress(struct check *c)
{
	if (c->shown)
		fputs(CLEAR_LINE, stderr);
	c->shown = false;
}

static void put_finding(bool json, const char *where, const char *what)
{
	if (json) {
		json_t *line = json_object();
		image_json_name(line, "where", where);
		image_json_name(line, "what", what);
		ctl_print_json(line, JSON_COMPACT);
		json_decref(line);
		return;
	}
	text_put(stdout, where);
	fputs(": ", stdout);
	text_put(stdout, what);
	putchar('\n');
}

void check_found(struct check *c, const char *where, const char *what, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;
	if (c->tally.findings++ >= FINDINGS_SHOWN)
		return;
	clear_progress(c);
	va_start(ap, what);
	vsnprintf(text, sizeof(text), what, ap);
	va_end(ap);
	put_finding(c->image->json, where, text);
	/* They shall stand there while the rest is looked at. */
	fflush(stdout);
}

void check_progress(struct check *c)
{
	if (!c->progress)
		return;
	uint64_t now = terminal_now();
	if (now - c->shown_at < PROGRESS_NS)
		return;
	c->shown_at = now;
	c->shown = true;
	fprintf(stderr, CLEAR_LINE "%" PRIu64 " inodes, %" PRIu64, c->tally.inodes, c->tally.done >> 20);
	if (c->total > c->tally.done && !c->fast)
		fprintf(stderr, " of %" PRIu64, c->total >> 20);
	fprintf(stderr, " MiB, %" PRIu64 " finding%s", c->tally.findings, c->tally.findings == 1 ? "" : "s");
	fflush(stderr);
}

static void put_verdict(const struct check *c)
{
	const struct check_tally *t = &c->tally;
	if (t->findings > FINDINGS_SHOWN)
		printf("... %" PRIu64 " more\n", t->findings - FINDINGS_SHOWN);
	if (t->findings > 0)
		printf("BAD: %" PRIu64 " finding%s\n", t->findings, t->findings == 1 ? "" : "s");
	else if (c->fast)
		printf("good: %" PRIu64 " inodes, %" PRIu64 " chunks; their data was not read (--fast)\n", t->inodes,
		       t->chunks);
	else
		printf("good: %" PRIu64 " inodes, %" PRIu64 " chunks, %.1f MiB verified, %" PRIu64
		       " chunks carry no check\n",
		       t->inodes, t->chunks, (double)t->verified / (1 << 20), t->unchecked);
}

static void put_verdict_json(const struct check *c)
{
	const struct check_tally *t = &c->tally;
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:b, s:I, s:I}", "verdict", t->findings > 0 ? "bad" : "good",
			      "findings", (json_int_t)t->findings, "inodes", (json_int_t)t->inodes, "chunks",
			      (json_int_t)t->chunks, "data_read", !c->fast, "verified_bytes", (json_int_t)t->verified,
			      "unchecked_chunks", (json_int_t)t->unchecked);
	ctl_print_json(o, JSON_COMPACT);
	json_decref(o);
}

int check_verdict(struct check *c)
{
	clear_progress(c);
	if (c->image->json)
		put_verdict_json(c);
	else
		put_verdict(c);
	return c->tally.findings > 0 ? CTL_FAILED : CTL_DONE;
}

int image_check_refused(bool json, const char *boot, const struct graft_error *why)
{
	struct image image = { .json = json };
	struct check c = { .image = &image };
	size_t len = strlen(boot);
	/* The text begins with the image's path in most cases. */
	bool named = strncmp(why->text, boot, len) == 0 && strncmp(why->text + len, ": ", 2) == 0;
	check_found(&c, boot, "%s", why->text + (named ? len + 2 : 0));
	return check_verdict(&c);
}
