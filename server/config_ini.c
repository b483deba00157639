/* SPDX-License-Identifier: Apache-2.0 */
/* INI files: libinih takes lines apart; the reader before it counts them and refuses what would be cut. */
#include "server/config_internal.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <ini.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

#define BLANKS " \t"

/* State of one parse. The reader is always exactly one line ahead of the handler. */
struct ini_parse {
	struct ini_file *file;
	const char *at, *end; /* what is left of the text */
	uint32_t line;        /* number of the present line, from 1 */
	struct graft_error *err;
	bool failed; /* err is set */
	void *texts;  /* of the sections so far, a tree of tsearch(3): there may be thousands */
};

const char *ini_where(const struct ini_file *file, uint32_t line, char where[CONFIG_WHERE_MAX])
{
	if (line == 0)
		snprintf(where, CONFIG_WHERE_MAX, "%.512s", file->name);
	else if (file->places)
		snprintf(where, CONFIG_WHERE_MAX, "%.512s", file->places[line - 1]);
	else
		snprintf(where, CONFIG_WHERE_MAX, "%.512s:%u", file->name, line);
	return where;
}

int config_no_memory(struct graft_error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

/* Notes a failure of the present line: puts the place before what err says. */
static void fail_here(struct ini_parse *p)
{
	char where[CONFIG_WHERE_MAX];
	if (!p->err || p->err->code != ENOMEM)
		error_wrap(p->err, "%s", ini_where(p->file, p->line, where));
	p->failed = true;
}

/* Doubles an array that is full; items of size bytes. */
static int grow(void *array, size_t n, size_t *room, size_t size, struct graft_error *err)
{
	if (n < *room)
		return 0;
	size_t wanted = *room > 0 ? *room * 2 : 8;
	void *old, *grown;
	memcpy(&old, array, sizeof(old));
	grown = reallocarray(old, wanted, size);
	if (!grown)
		return config_no_memory(err);
	memcpy(array, &grown, sizeof(grown));
	*room = wanted;
	return 0;
}

/* Copies the words of [text, end) with one blank between them. */
static char *join_words(const char *text, const char *end)
{
	char *joined = calloc(1, (size_t)(end - text) + 1);
	size_t len = 0;
	for (; joined && text < end; text++) {
		bool blank = *text == ' ' || *text == '\t';
		if (!blank)
			joined[len++] = *text;
		else if (len > 0 && joined[len - 1] != ' ')
			joined[len++] = ' ';
	}
	if (len > 0 && joined[len - 1] == ' ')
		joined[len - 1] = '\0';
	return joined;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void keep_text(void *text)
{
	(void)text; /* the section's */
}

static int stands_twice(struct ini_parse *p, const char *first)
{
	size_t i = 0;
	while (p->file->sections[i].text != first)
		i++;
	return error_set(p->err, EINVAL, "section [%.100s] stands twice; first at line %u", first,
			 p->file->sections[i].line);
}

/* Takes text over if it returns 0. */
static int add_section(struct ini_parse *p, char *text)
{
	struct ini_file *f = p->file;
	void *const *known = tfind(text, &p->texts, compare_texts);
	if (known)
		return stands_twice(p, *known);
	if (f->n == CONFIG_SECTIONS_MAX)
		return error_set(p->err, EINVAL, "more than %d sections", CONFIG_SECTIONS_MAX);
	int res = grow(&f->sections, f->n, &f->room, sizeof(*f->sections), p->err);
	if (res != 0)
		return res;
	if (!tsearch(text, &p->texts, compare_texts))
		return config_no_memory(p->err);
	f->sections[f->n++] = (struct ini_section){ .text = text, .line = p->line };
	return 0;
}

/*
 * A line that begins with '['. Sections are taken here and not in the handler: libinih cuts their names at 49 bytes,
 * drops what stands behind the bracket, and does not tell of a section without keys.
 */
static int section_line(struct ini_parse *p, const char *line)
{
	const char *end = strchr(line, ']');
	if (!end)
		return error_set(p->err, EINVAL, "section without a closing ']'");
	const char *rest = end + 1 + strspn(end + 1, BLANKS);
	if (*rest && *rest != ';' && *rest != '#')
		return error_set(p->err, EINVAL, "'%.100s' stands behind the section; keys go on lines of their own",
				 rest);
	auto_free char *text = join_words(line + 1, end);
	if (!text)
		return config_no_memory(p->err);
	int res = add_section(p, text);
	if (res == 0)
		text = NULL;
	return res;
}

/* Refuses what is not text. len without the line end. */
static int check_bytes(struct ini_parse *p, const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return error_set(p->err, EINVAL, "control character 0x%02x at byte %zu of the line", c, i + 1);
	}
	return 0;
}

/* Moves to the next line; buf has num bytes, as libinih's buffer. */
static int take_line(struct ini_parse *p, char *buf, size_t num)
{
	const char *line = p->at;
	const char *newline = memchr(line, '\n', (size_t)(p->end - line));
	size_t len = (size_t)((newline ? newline : p->end) - line);
	p->at = newline ? newline + 1 : p->end;
	p->line++;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	/* An indented line would continue the value above it, which nobody sees who looks at a wrong file. */
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len + 3 > num)
		return error_set(p->err, EINVAL, "line longer than %zu bytes", num - 3);
	int res = check_bytes(p, line, len);
	if (res != 0)
		return res;
	memcpy(buf, line, len);
	buf[len] = '\0';
	if (buf[0] == '[')
		res = section_line(p, buf);
	memcpy(buf + len, "\n", 2);
	return res;
}

/* ini_reader: a line, or NULL at the end. */
static char *read_line(char *buf, int num, void *stream)
{
	struct ini_parse *p = stream;
	if (p->failed || p->at == p->end)
		return NULL;
	if (take_line(p, buf, (size_t)num) != 0) {
		fail_here(p);
		return NULL;
	}
	return buf;
}

static int append_key(struct ini_section *s, const char *name, const char *value, uint32_t line,
		      struct graft_error *err)
{
	int res = grow(&s->keys, s->nkeys, &s->room, sizeof(*s->keys), err);
	if (res != 0)
		return res;
	struct ini_key key = { .name = strdup(name), .value = strdup(value), .line = line };
	if (!key.name || !key.value) {
		free(key.name);
		free(key.value);
		return config_no_memory(err);
	}
	s->keys[s->nkeys++] = key;
	return 0;
}

static int add_key(struct ini_parse *p, const char *name, const char *value)
{
	struct ini_file *f = p->file;
	if (*name == '\0')
		return error_set(p->err, EINVAL, "no key before '='");
	if (f->n == 0)
		return error_set(p->err, EINVAL, "key '%.100s' before any section", name);
	/* Behind a blank it would begin a comment, so no file that is printed could carry it. */
	if (*value == ';')
		return error_set(p->err, EINVAL, "the value of '%.100s' begins with ';'", name);
	return append_key(&f->sections[f->n - 1], name, value, p->line, p->err);
}

/* ini_handler: 1 to go on. */
static int take_key(void *user, const char *section, const char *name, const char *value)
{
	struct ini_parse *p = user;
	(void)section; /* perhaps cut; the reader knows the whole */
	if (p->failed)
		return 0;
	if (add_key(p, name, value) != 0)
		fail_here(p);
	return !p->failed;
}

int ini_file_parse(struct ini_file *file, const char *text, size_t len, struct graft_error *err)
{
	struct ini_parse p = { .file = file, .at = text, .end = text + len, .err = err };

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* UTF-8 byte order mark */
		p.at += 3;
	/* Debian's build has these as variables; its defaults would cut lines at 199 bytes. */
	ini_use_stack = true;
	ini_max_line = CONFIG_LINE_MAX;
	ini_allow_multiline = false;
	ini_allow_inline_comments = true;
	ini_allow_no_value = false;
	ini_stop_on_first_error = true;
	int res = ini_parse_stream(read_line, &p, take_key, &p);
	if (!p.failed && res != 0) {
		error_set(err, EINVAL, "neither [section], KEY = VALUE nor a comment");
		fail_here(&p);
	}
	tdestroy(p.texts, keep_text);
	return p.failed ? (err ? -err->code : -EINVAL) : 0;
}

/* The section of a name, made if it is missing; NULL when out of memory. */
static struct ini_section *want_section(struct ini_file *file, const char *name, struct graft_error *err)
{
	for (size_t i = 0; i < file->n; i++)
		if (strcmp(file->sections[i].text, name) == 0)
			return &file->sections[i];
	auto_free char *text = strdup(name);
	if (!text) {
		config_no_memory(err);
		return NULL;
	}
	if (grow(&file->sections, file->n, &file->room, sizeof(*file->sections), err) != 0)
		return NULL;
	file->sections[file->n] = (struct ini_section){ .text = steal_ptr(text) };
	return &file->sections[file->n++];
}

static void drop_keys(struct ini_section *s, const char *name)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->nkeys; i++) {
		if (strcmp(s->keys[i].name, name) != 0) {
			s->keys[kept++] = s->keys[i];
			continue;
		}
		free(s->keys[i].name);
		free(s->keys[i].value);
	}
	s->nkeys = kept;
}

int ini_file_set(struct ini_file *file, const char *section, const char *key, const char *value,
		 struct graft_error *err)
{
	struct ini_section *s = want_section(file, section, err);
	if (!s)
		return -ENOMEM;
	drop_keys(s, key);
	return append_key(s, key, value, 0, err);
}

int ini_file_add(struct ini_file *file, const char *section, const char *key, const char *value, uint32_t line,
		 struct graft_error *err)
{
	struct ini_section *s = want_section(file, section, err);
	return s ? append_key(s, key, value, line, err) : -ENOMEM;
}

void ini_file_free(struct ini_file *file)
{
	for (size_t i = 0; i < file->n; i++) {
		struct ini_section *s = &file->sections[i];
		for (size_t k = 0; k < s->nkeys; k++) {
			free(s->keys[k].name);
			free(s->keys[k].value);
		}
		free(s->keys);
		free(s->text);
	}
	free(file->sections);
	*file = (struct ini_file){ .name = file->name };
}

/* Reads all of a file into text, which has room for CONFIG_FILE_MAX bytes and one more. Bytes or -errno. */
static ssize_t read_all(int fd, char *text)
{
	size_t len = 0;
	while (len <= CONFIG_FILE_MAX) {
		ssize_t n = read(fd, text + len, CONFIG_FILE_MAX + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return (ssize_t)len;
		len += (size_t)n;
	}
	return -EFBIG;
}

struct config *config_read_ini(const char *path, const char *mountpoint, struct plugin_registry **registry,
			       struct graft_error *err)
{
	*registry = NULL;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		error_set(err, errno, "%.512s: cannot open the configuration: %s", path, strerror(errno));
		return NULL;
	}
	auto_free char *text = malloc(CONFIG_FILE_MAX + 1);
	if (!text) {
		config_no_memory(err);
		return NULL;
	}
	ssize_t len = read_all(fd, text);
	if (len == -EFBIG) {
		error_set(err, EFBIG, "%.512s: larger than 8 MiB, so not a configuration", path);
		return NULL;
	}
	if (len < 0) {
		error_set(err, (int)-len, "%.512s: cannot read the configuration: %s", path, strerror((int)-len));
		return NULL;
	}
	return config_read_text(path, text, (size_t)len, mountpoint, registry, err);
}
