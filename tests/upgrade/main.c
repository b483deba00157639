/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graft-upgrade DAEMONS HOW ROUNDS IMAGES: a mount goes ROUNDS times from one of DAEMONS (graftfs, nydusd, with commas
 * between, in turn) to the next, by exit or after kill, while others read and walk. Needs root and /dev/fuse.
 */
#include "tests/upgrade/daemon.h"
#include "tests/upgrade/load.h"
#include "tests/upgrade/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define KINDS_MAX 8

static const char *const images[] = { "v6-zstd", "v5-zstd", "v6-none" };

static _Noreturn void skip(const char *why)
{
	if (getenv("MUST_RUN") && strcmp(getenv("MUST_RUN"), "1") == 0)
		die("cannot be skipped here: %s", why);
	printf("SKIP: %s\n", why);
	exit(77);
}

static void check_possible(const char *daemons)
{
	if (geteuid() != 0)
		skip("only root mounts");
	if (access("/dev/fuse", R_OK | W_OK))
		skip("no /dev/fuse here");
	if (strstr(daemons, "nydusd") && (!getenv("GRAFT_NYDUSD") || access(getenv("GRAFT_NYDUSD"), X_OK)))
		skip("GRAFT_NYDUSD does not name nydusd");
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip("no mount namespace of the test's own can be made");
	if (!getenv("GRAFTFSD"))
		die("GRAFTFSD names the program under test");
}

static void make_folder(void)
{
	char path[96];

	strcpy(folder, "/tmp/graft-upgrade-XXXXXX");
	if (!mkdtemp(folder))
		die("%s: %s", folder, strerror(errno));
	snprintf(path, sizeof(path), "%s/mnt", folder);
	if (mkdir(path, 0755))
		die("%s: %s", path, strerror(errno));
}

static void mount_image(const struct daemon *d, const char *dir, const char *name)
{
	char target[128], body[2048];

	snprintf(target, sizeof(target), "/api/v1/mount?mountpoint=/images/%s", name);
	snprintf(body, sizeof(body),
		 "{\"fs_type\":\"rafs\",\"source\":\"%s/%s/"
		 "boot\",\"config\":\"{\\\"device\\\":{\\\"backend\\\":{\\\"type\\\":\\\"localfs\\\","
		 "\\\"config\\\":{\\\"dir\\\":\\\"%s/%s/"
		 "blobs\\\"}},\\\"cache\\\":{\\\"type\\\":\\\"blobcache\\\",\\\"config\\\":"
		 "{\\\"work_dir\\\":\\\"%s/cache\\\"}}},\\\"mode\\\":\\\"direct\\\"}\"}",
		 dir, name, dir, name, folder);
	daemon_tell(d, "POST", target, body);
}

static void send_state(const struct daemon *d, struct supervisor *s)
{
	supervisor_take(s);
	daemon_tell(d, "PUT", "/api/v1/daemon/fuse/sendfd", NULL);
	supervisor_wait(s);
}

static void take_over(const struct daemon *d, struct supervisor *s)
{
	daemon_wait_state(d, "INIT");
	supervisor_give(s);
	daemon_tell(d, "PUT", "/api/v1/daemon/fuse/takeover", NULL);
	supervisor_wait(s);
	daemon_wait_state(d, "READY");
}

/* As nydus-snapshotter does: the new one has taken over before the old one ends. */
static void upgrade(struct daemon *old, struct daemon *new, struct supervisor *s)
{
	take_over(new, s);
	daemon_tell(old, "PUT", "/api/v1/daemon/exit", NULL);
	daemon_end(old, 0);
	daemon_tell(new, "PUT", "/api/v1/daemon/start", NULL);
	daemon_wait_state(new, "RUNNING");
}

static void fail_over(struct daemon *new, struct supervisor *s)
{
	take_over(new, s);
	daemon_tell(new, "PUT", "/api/v1/daemon/start", NULL);
	daemon_wait_state(new, "RUNNING");
}

/* The kernel forgets what it can, so that the next daemon is asked. */
static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "3", 1) != 1)
		perror("drop_caches");
	close(fd);
}

static void go_round(struct daemon *d, const char *const kinds[], unsigned int nkinds, bool killed, unsigned int rounds,
		     struct supervisor *s)
{
	for (unsigned int i = 1; i <= rounds; i++) {
		struct daemon next;

		usleep(100000);
		send_state(d, s);
		if (killed)
			daemon_end(d, SIGKILL);
		daemon_start(&next, kinds[i % nkinds], i, true);
		if (killed)
			fail_over(&next, s);
		else
			upgrade(d, &next, s);
		*d = next;
		drop_caches();
	}
}

static unsigned int split(char *list, const char *kinds[KINDS_MAX])
{
	unsigned int n = 0;

	for (char *word = strtok(list, ","); word && n < KINDS_MAX; word = strtok(NULL, ","))
		kinds[n++] = word;
	return n;
}

static void clean_up(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	if (system(command))
		perror("rm");
}

int main(int argc, char **argv)
{
	const char *kinds[KINDS_MAX];
	char path[96];
	struct supervisor s;
	struct daemon d;

	if (argc != 5)
		die("usage: graft-upgrade DAEMONS exit|kill ROUNDS IMAGES");
	check_possible(argv[1]);
	make_folder();
	snprintf(path, sizeof(path), "%s/sup", folder);
	supervisor_open(&s, path);
	unsigned int nkinds = split(argv[1], kinds);
	daemon_start(&d, kinds[0], 0, false);
	daemon_wait_state(&d, "RUNNING");
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++)
		mount_image(&d, argv[4], images[i]);
	snprintf(path, sizeof(path), "%s/mnt", folder);
	load_begin(path);
	go_round(&d, kinds, nkinds, strcmp(argv[2], "kill") == 0, (unsigned int)atoi(argv[3]), &s);
	load_end();
	daemon_end(&d, SIGTERM);
	if (umount2(path, MNT_DETACH) == 0)
		die("the last daemon left its mount");
	supervisor_close(&s);
	clean_up();
	return 0;
}
