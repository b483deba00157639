/* SPDX-License-Identifier: Apache-2.0 */
/* Maps of ids (user_namespaces(7)): without rights only the process's own id, by newuidmap(1) what /etc/subuid has. */
#include "server/sandbox/userns.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NUMBER_MAX 12 /* bytes of an id with its NUL */

/* What differs between users and groups. */
struct id_kind {
	const char *key, *file, *program, *package;
};

static const struct id_kind users = { "uid-map", "uid_map", "newuidmap", "uidmap" };
static const struct id_kind groups = { "gid-map", "gid_map", "newgidmap", "uidmap" };

extern char **environ;

static int write_file(pid_t pid, const char *name, const char *text, struct graft_error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	return 0;
}

/* "newuidmap PID INSIDE OUTSIDE COUNT ...": an array that one free() drops; NULL when out of memory. */
static char **helper_words(const struct id_kind *kind, pid_t pid, const struct config_id_map *map)
{
	size_t numbers = 1 + 3 * (size_t)map->n, n = 0;
	char **words = malloc((numbers + 2) * sizeof(*words) + numbers * NUMBER_MAX);

	if (!words)
		return NULL;
	char *text = (char *)(words + numbers + 2);
	words[n++] = (char *)kind->program;
	for (size_t i = 0; i < numbers; i++, text += NUMBER_MAX)
		words[n++] = text;
	words[n] = NULL;
	snprintf(words[1], NUMBER_MAX, "%d", (int)pid);
	for (uint32_t i = 0; i < map->n; i++) {
		snprintf(words[2 + 3 * i], NUMBER_MAX, "%" PRIu32, map->range[i].inside);
		snprintf(words[3 + 3 * i], NUMBER_MAX, "%" PRIu32, map->range[i].outside);
		snprintf(words[4 + 3 * i], NUMBER_MAX, "%" PRIu32, map->range[i].count);
	}
	return words;
}

/* Signals are blocked here, and should not be there. */
static int spawn(pid_t *pid, char *const words[])
{
	posix_spawnattr_t attr;
	sigset_t none;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	int code = posix_spawnp(pid, words[0], NULL, &attr, words, environ);
	posix_spawnattr_destroy(&attr);
	return code;
}

static int run_helper(const struct id_kind *kind, pid_t pid, const struct config_id_map *map, struct graft_error *err)
{
	auto_free char **words = helper_words(kind, pid, map);
	int status = 0;
	pid_t helper;

	if (!words)
		return error_set(err, ENOMEM, "out of memory");
	int code = spawn(&helper, words);
	if (code)
		return error_set(err, code, "%s: more than the own id needs %s (package %s): %s", kind->key,
				 kind->program, kind->package, strerror(code));
	while (waitpid(helper, &status, 0) < 0) {
		if (errno != EINTR)
			return error_set(err, errno, "waiting for %s: %s", kind->program, strerror(errno));
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return error_set(err, EPERM, "%s: %s refused, what it says stands above", kind->key, kind->program);
}

static bool is_own(const struct config_id_map *map, uint32_t own)
{
	return map->n == 1 && map->range[0].outside == own && map->range[0].count == 1;
}

static int write_map(const struct id_kind *kind, pid_t pid, const struct config_id_map *map, uint32_t own,
		     struct graft_error *err)
{
	char line[64];

	if (map->n && !is_own(map, own))
		return run_helper(kind, pid, map, err);
	/* Linux 3.19: only who cannot drop groups may map one without rights. */
	int res = kind == &groups ? write_file(pid, "setgroups", "deny", err) : 0;
	snprintf(line, sizeof(line), "%" PRIu32 " %" PRIu32 " 1\n", map->n ? map->range[0].inside : own, own);
	return res ? res : write_file(pid, kind->file, line, err);
}

int userns_write_maps(pid_t pid, const struct server_config *server, struct graft_error *err)
{
	int res = write_map(&users, pid, &server->uid_map, geteuid(), err);

	return res ? res : write_map(&groups, pid, &server->gid_map, getegid(), err);
}

static bool has_root(const struct config_id_map *map)
{
	for (uint32_t i = 0; i < map->n; i++) {
		if (map->range[i].inside == 0)
			return true;
	}
	return false;
}

int userns_become_root(const struct server_config *server, struct graft_error *err)
{
	if (has_root(&server->gid_map) && setresgid(0, 0, 0) < 0)
		return error_set(err, errno, "gid-map: becoming group 0: %s", strerror(errno));
	if (has_root(&server->uid_map) && setresuid(0, 0, 0) < 0)
		return error_set(err, errno, "uid-map: becoming user 0: %s", strerror(errno));
	return 0;
}
