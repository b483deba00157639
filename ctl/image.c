/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl image: looks into a nydus image, without mounting it and without a server. */
#include "ctl/image.h"

#include "lib/options.h"

#include <errno.h>
#include <string.h>

/* One action. options: names of those that go with it, besides where blobs are; blanks between and around. */
struct action {
	const char *name;
	int (*run)(struct image *image, const struct args *args, const char *path);
	size_t min_words; /* the action and BOOT included */
	size_t max_words;
	const char *options;
	bool blobs; /* it looks at them in any case */
};

static const struct action actions[] = {
	{ "show", image_show, 2, 2, " ", true },         { "ls", image_ls, 2, 3, " long recursive ", false },
	{ "stat", image_stat, 2, 3, " chunks ", false }, { "cat", image_cat, 3, 3, " validate ", true },
	{ "check", image_check, 2, 2, " fast ", true },
};
#define NACTIONS (sizeof(actions) / sizeof(actions[0]))

static const struct args_option options[] = {
	{ "blob-dir", 'b', ARGS_VALUE, "DIR", "blobs are files of this folder" },
	{ "blob-file", 0, ARGS_VALUE, "FILE", "this file is the blob" },
	{ "device", 0, ARGS_VALUE, "DEV", "blobs are partitions (GPT) of this disk or file" },
	{ "long", 'l', ARGS_FLAG, NULL, "ls: mode, links, owner, size, time, and where symlinks lead" },
	{ "recursive", 'R', ARGS_FLAG, NULL, "ls: all below the directory, as paths" },
	{ "chunks", 0, ARGS_FLAG, NULL, "stat: where each piece of the file lies" },
	{ "validate", 0, ARGS_VALUE, "WHAT", "cat: none, crc, digest or full (default)" },
	{ "fast", 0, ARGS_FLAG, NULL, "check: metadata and chunk tables, not the chunks' data" },
	{ NULL, 0, ARGS_FLAG, NULL, NULL },
};
static const char *const places[] = { "blob-dir", "blob-file", "device" };
#define NPLACES (sizeof(places) / sizeof(places[0]))

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < NACTIONS; i++) {
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	}
	return NULL;
}

static int unknown_action(const char *name)
{
	const char *names[NACTIONS];
	for (size_t i = 0; i < NACTIONS; i++)
		names[i] = actions[i].name;
	const char *near = options_nearest(name, names, NACTIONS);
	if (near)
		return ctl_usage(&command_image, "'%s' is nothing to do with an image; did you mean '%s'?", name, near);
	return ctl_usage(&command_image, "'%s' is nothing to do with an image: show, ls, stat, cat and check are",
			 name);
}

static bool is_common(const char *name)
{
	for (size_t i = 0; i < NPLACES; i++) {
		if (strcmp(places[i], name) == 0)
			return true;
	}
	return strcmp(name, "json") == 0 || strcmp(name, "socket") == 0;
}

/* Options of another action, and places of blobs that exclude each other. */
static int check_options(const struct action *action, const struct args *args)
{
	const char *place = NULL;
	for (size_t i = 0; i < args->ngiven; i++) {
		char name[32];
		snprintf(name, sizeof(name), " %s ", args->given[i].option->name);
		if (!is_common(args->given[i].option->name) && !strstr(action->options, name))
			return ctl_usage(&command_image, "--%s does not go with %s", args->given[i].option->name,
					 action->name);
	}
	for (size_t i = 0; i < NPLACES; i++) {
		if (!args_has(args, places[i]))
			continue;
		if (place)
			return ctl_usage(&command_image, "--%s and --%s exclude each other", place, places[i]);
		place = places[i];
	}
	if (action->run == image_cat && args_has(args, "json"))
		return ctl_usage(&command_image, "cat prints the file's own bytes: there is no JSON of them");
	return CTL_DONE;
}

static int check_usage(const struct action *action, const struct args *args)
{
	static const char *const missing[] = { "", "BOOT, the image", "PATH, a file of the image" };
	if (args->nwords < action->min_words)
		return ctl_usage(&command_image, "argument missing: %s", missing[args->nwords]);
	if (args->nwords > action->max_words)
		return ctl_usage(&command_image, "needless argument '%s'", args->words[action->max_words]);
	return check_options(action, args);
}

/* What is no image, or a bad one, is the answer that check was asked for. */
static bool is_bad_image(int res)
{
	return res == -EINVAL || res == -EUCLEAN || res == -EIO || res == -EFBIG;
}

static int run_action(struct ctl *ctl, const struct action *action, const struct args *args)
{
	struct image image = { .path = args->words[1], .json = ctl->json, .err = &ctl->error };
	/* chunks of a v6 image stand in its blobs' tables. */
	bool blobs = action->blobs || args_has(args, "chunks");
	int status, res = image_open(&image);

	if (res == 0 && blobs)
		res = image_find_blobs(&image, args);
	if (res == 0) {
		status = action->run(&image, args, args->nwords > 2 ? args->words[2] : "/");
	} else if (action->run == image_check && !image.rafs && is_bad_image(res)) {
		status = image_check_refused(ctl->json, image.path, &ctl->error);
		ctl->error.text[0] = '\0';
	} else {
		status = CTL_FAILED;
	}
	image_close(&image);
	return status;
}

static int run(struct ctl *ctl, const struct args *args)
{
	const struct action *action = find_action(args->words[0]);
	int status = action ? check_usage(action, args) : unknown_action(args->words[0]);
	return status == CTL_DONE ? run_action(ctl, action, args) : status;
}

const struct command command_image = {
	.name = "image",
	.summary = "look into a nydus image, or check it, without a server",
	.usage = "show BOOT\n"
		 "ls BOOT [PATH] [-l] [-R]\n"
		 "stat BOOT [PATH] [--chunks]\n"
		 "cat BOOT PATH [--validate WHAT]\n"
		 "check BOOT [--fast]",
	.text = "BOOT is the image's bootstrap, or a blob that holds one; RAFS v5 or v6. No server is\n"
		"asked and nothing is mounted or written.\n"
		"\n"
		"  show   the superblock, each blob and whether it is there, and what is prefetched\n"
		"  ls     the names in a directory, in the order in which the image has them\n"
		"  stat   all of an inode with its extended attributes\n"
		"  cat    a file's bytes; symlinks lead on inside the image\n"
		"  check  every inode, name, link, attribute and chunk: a line for each finding, then the\n"
		"         verdict. Exit status 0: good, 1: bad or not readable.\n"
		"\n"
		"Blobs are looked for in the folder that BOOT lies in, then in its folder 'blobs',\n"
		"unless an option says where they are. ls and stat can do without them.\n"
		"\n"
		"  graftctl image show app/boot\n"
		"  graftctl image ls app/boot /etc -l\n"
		"  graftctl image cat app/boot /etc/os-release\n"
		"  graftctl image check app/boot -b /var/lib/blobs && echo good\n",
	.options = options,
	.min_words = 1,
	.max_words = 4,
	.run = run,
};
