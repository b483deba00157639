/* SPDX-License-Identifier: Apache-2.0 */
/* The socket that front ends connect to: what is replaced and what never is, modes and groups, inherited ones. */
#include "transport/vhost_user_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define RACES 40
#define RACERS 2

static char dir[32], path[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/graft-vl-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/fs.sock", dir);
	return 0;
}

/* Nothing else may be left in the folder. */
static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static struct vhost_user_listener listen_at(const char *at, gid_t group)
{
	struct vhost_user_listener l;
	struct graft_error err = { 0 };

	if (vhost_user_listener_open(&l, at, group, &err) < 0)
		fail_msg("%s", err.text);
	return l;
}

static void refuse(const char *at, gid_t group, int code, const char *text)
{
	struct vhost_user_listener l;
	struct graft_error err = { 0 };

	assert_int_equal(vhost_user_listener_open(&l, at, group, &err), -code);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
	assert_int_equal(l.socket.fd, -1);
	assert_int_equal(l.socket.at.dir, -1);
}

static struct sockaddr_un address(const char *at)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	assert_true(strlen(at) < sizeof(addr.sun_path));
	strcpy(addr.sun_path, at);
	return addr;
}

static int bind_stream(const char *at, int type)
{
	struct sockaddr_un addr = address(at);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* A connection, or -errno. */
static int connect_to(const char *at)
{
	struct sockaddr_un addr = address(at);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	int code = errno;
	close(fd);
	return -code;
}

static int accept_one(struct vhost_user_listener *l)
{
	int fd = vhost_user_listener_accept(l);

	assert_true(fd >= 0);
	return fd;
}

static void test_left_alone(void **state)
{
	char text[160];

	(void)state;
	/* A file, a link and a folder. */
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	refuse(path, UNIX_ANY_GROUP, EEXIST, "not a socket");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	refuse(path, UNIX_ANY_GROUP, EEXIST, "not a socket");
	assert_int_equal(unlink(path), 0);
	refuse(dir, UNIX_ANY_GROUP, EEXIST, "not a socket");
	/* A socket of a live process, listening or not yet. */
	int fd = bind_stream(path, SOCK_STREAM);
	refuse(path, UNIX_ANY_GROUP, EADDRINUSE, "in use");
	assert_int_equal(listen(fd, 1), 0);
	refuse(path, UNIX_ANY_GROUP, EADDRINUSE, "in use");
	/* The look did not disturb: nobody connected. */
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
	assert_int_equal(unlink(path), 0);
	fd = bind_stream(path, SOCK_DGRAM);
	refuse(path, UNIX_ANY_GROUP, EADDRINUSE, "in use");
	close(fd);
	/* Paths that cannot be. */
	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[108] = '\0';
	refuse(text, UNIX_ANY_GROUP, ENAMETOOLONG, "at most 107");
	refuse("/nonexistent-folder/fs.sock", UNIX_ANY_GROUP, ENOENT, "/nonexistent-folder: No such file");
	refuse("/dev/null/fs.sock", UNIX_ANY_GROUP, ENOTDIR, "/dev/null: Not a directory");
	refuse("/", UNIX_ANY_GROUP, EINVAL, "not the name");
	refuse("/tmp/", UNIX_ANY_GROUP, EINVAL, "not the name");
	refuse("/tmp/..", UNIX_ANY_GROUP, EINVAL, "not the name");
}

static void test_replaced(void **state)
{
	struct stat st;

	(void)state;
	close(bind_stream(path, SOCK_STREAM));
	struct vhost_user_listener l = listen_at(path, UNIX_ANY_GROUP);
	assert_string_equal(l.where, path);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(vhost_user_listener_accept(&l), -EAGAIN);
	int fd = connect_to(path);
	assert_true(fd >= 0);
	close(accept_one(&l));
	close(fd);
	unix_listener_close(&l.socket);
	assert_int_equal(access(path, F_OK), -1);
	unix_listener_close(&l.socket);
}

/* What somebody else put there is not removed at the end. */
static void test_not_ours(void **state)
{
	(void)state;
	struct vhost_user_listener l = listen_at(path, UNIX_ANY_GROUP);
	assert_int_equal(unlink(path), 0);
	/* l still holds the number of its own file, so this one has another. */
	int fd = bind_stream(path, SOCK_STREAM);
	unix_listener_close(&l.socket);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
}

/* No further connections, while the file stays until the end; and where another process has the same socket. */
static void test_shut_and_leave(void **state)
{
	(void)state;
	struct vhost_user_listener l = listen_at(path, UNIX_ANY_GROUP);
	int waits = connect_to(path);
	char byte;
	assert_true(waits >= 0);
	unix_listener_shut(&l.socket);
	unix_listener_shut(&l.socket);
	assert_int_equal(recv(waits, &byte, 1, 0), -1); /* refused, not left hanging */
	assert_int_equal(errno, ECONNRESET);
	close(waits);
	assert_int_equal(connect_to(path), -ECONNREFUSED);
	assert_int_equal(access(path, F_OK), 0);
	unix_listener_close(&l.socket);
	assert_int_equal(access(path, F_OK), -1);
	l = listen_at(path, UNIX_ANY_GROUP);
	struct vhost_user_listener copy = l;
	copy.socket.fd = dup(l.socket.fd);
	copy.socket.at.dir = dup(l.socket.at.dir);
	unix_listener_leave(&copy.socket);
	int fd = connect_to(path);
	assert_true(fd >= 0);
	close(fd);
	unix_listener_close(&l.socket);
	assert_int_equal(access(path, F_OK), -1);
}

/* Its file goes by the folder's descriptor, not by a path that may mean something else by now. */
static void test_folder_moves(void **state)
{
	char inner[64], moved[64], at[96], old[96];

	(void)state;
	snprintf(inner, sizeof(inner), "%s/in", dir);
	snprintf(moved, sizeof(moved), "%s/out", dir);
	snprintf(at, sizeof(at), "%s/fs.sock", inner);
	snprintf(old, sizeof(old), "%s/fs.sock", moved);
	assert_int_equal(mkdir(inner, 0700), 0);
	struct vhost_user_listener l = listen_at(at, UNIX_ANY_GROUP);
	assert_int_equal(rename(inner, moved), 0);
	assert_int_equal(mkdir(inner, 0700), 0);
	close(open(at, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	unix_listener_close(&l.socket);
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(unlink(at), 0);
	assert_int_equal(rmdir(inner), 0);
	assert_int_equal(rmdir(moved), 0);
}

static void test_group(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	mode_t mask = umask(0);
	struct vhost_user_listener l = listen_at(path, 12345);
	assert_int_equal(umask(mask), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0770);
	assert_int_equal(st.st_gid, 12345);
	assert_int_equal(st.st_uid, 0);
	unix_listener_close(&l.socket);
	assert_int_equal(access(path, F_OK), -1);
	/* No such right: nothing is left behind. */
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct graft_error err = { 0 };
		struct vhost_user_listener none;
		bool right = chmod(dir, 0777) == 0 && setgid(65534) == 0 && setuid(65534) == 0 &&
			     vhost_user_listener_open(&none, path, 12345, &err) == -EPERM &&
			     strstr(err.text, "cannot give ") && access(path, F_OK) == -1;
		_exit(right ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_longest(void **state)
{
	char folder[200], at[300];

	(void)state;
	/* A folder of 60 bytes, a slash, a name of 46: together what an address holds with its NUL. */
	memset(folder, 'd', sizeof(folder));
	memcpy(folder, dir, strlen(dir));
	folder[strlen(dir)] = '/';
	folder[60] = '\0';
	assert_int_equal(mkdir(folder, 0700), 0);
	memset(at, 's', sizeof(at));
	memcpy(at, folder, 60);
	at[60] = '/';
	at[107] = '\0';
	struct vhost_user_listener l = listen_at(at, UNIX_ANY_GROUP);
	int fd = connect_to(at);
	assert_true(fd >= 0);
	close(fd);
	unix_listener_close(&l.socket);
	assert_int_equal(rmdir(folder), 0);
}

/* Where the working directory alone is too long, who started us there can use the short name, and so do we. */
static void test_relative(void **state)
{
	char folder[160], at[200], old[128];

	(void)state;
	assert_non_null(getcwd(old, sizeof(old)));
	memset(folder, 'd', sizeof(folder));
	memcpy(folder, dir, strlen(dir));
	folder[strlen(dir)] = '/';
	folder[120] = '\0';
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(at, sizeof(at), "%s/fs.sock", folder);
	refuse(at, UNIX_ANY_GROUP, ENAMETOOLONG, "at most 107");
	assert_int_equal(chdir(folder), 0);
	struct vhost_user_listener l = listen_at(at, UNIX_ANY_GROUP);
	assert_string_equal(l.where, "fs.sock");
	int fd = connect_to("fs.sock");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(chdir(old), 0);
	unix_listener_close(&l.socket);
	assert_int_equal(rmdir(folder), 0);
}

static void refuse_fd(int fd, const char *text)
{
	struct vhost_user_listener l;
	struct graft_error err = { 0 };

	assert_true(vhost_user_listener_adopt(&l, fd, &err) < 0);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
	assert_int_equal(l.socket.fd, -1);
}

static void test_inherited(void **state)
{
	int pair[2], fd;

	(void)state;
	refuse_fd(9999, "descriptor 9999 was not inherited");
	fd = open("/dev/null", O_RDWR);
	refuse_fd(fd, "not a socket");
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	refuse_fd(fd, "not a unix stream socket");
	close(fd);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	refuse_fd(fd, "not a unix stream socket");
	close(fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	refuse_fd(pair[0], "does not listen");
	/* Not taken on failure. */
	assert_int_equal(close(pair[0]), 0);
	close(pair[1]);

	struct vhost_user_listener l;
	struct graft_error err = { 0 };
	char where[32];
	fd = bind_stream(path, SOCK_STREAM);
	assert_int_equal(listen(fd, 4), 0);
	refuse_fd(fd, "was not inherited"); /* ours: nothing that came through exec is closed by it */
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	int early = connect_to(path); /* before it is taken */
	assert_true(early >= 0);
	assert_int_equal(vhost_user_listener_adopt(&l, fd, &err), 0);
	snprintf(where, sizeof(where), "descriptor %d", fd);
	assert_string_equal(l.where, where);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(accept_one(&l));
	close(early);
	unix_listener_close(&l.socket);
	/* Closed, but the path is not ours. */
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(access(path, F_OK), 0);
}

struct race {
	pthread_barrier_t start;
	struct vhost_user_listener l[RACERS];
	_Atomic uint32_t next, won;
};

static void *race(void *arg)
{
	struct race *r = arg;
	struct vhost_user_listener *l = &r->l[atomic_fetch_add(&r->next, 1)];

	pthread_barrier_wait(&r->start);
	if (vhost_user_listener_open(l, path, UNIX_ANY_GROUP, NULL) == 0)
		atomic_fetch_add(&r->won, 1);
	return NULL;
}

/*
 * Two find the same stale socket. (The umask and the name of what is put aside are shared by threads, which makes it harder than it
 * is for processes.) One at most wins, and who wins can be reached.
 */
static void test_race(void **state)
{
	(void)state;
	for (int i = 0; i < RACES; i++) {
		struct race r = { 0 };
		pthread_t threads[RACERS];

		close(bind_stream(path, SOCK_STREAM));
		assert_int_equal(pthread_barrier_init(&r.start, NULL, RACERS), 0);
		for (int k = 0; k < RACERS; k++)
			assert_int_equal(pthread_create(&threads[k], NULL, race, &r), 0);
		for (int k = 0; k < RACERS; k++)
			pthread_join(threads[k], NULL);
		pthread_barrier_destroy(&r.start);
		assert_in_range(atomic_load(&r.won), 0, 1);
		int fd = connect_to(path);
		assert_true(atomic_load(&r.won) == 0 || fd >= 0);
		if (fd >= 0)
			close(fd);
		for (int k = 0; k < RACERS; k++)
			unix_listener_close(&r.l[k].socket);
		unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_left_alone), T(test_replaced), T(test_not_ours),	 T(test_shut_and_leave), T(test_folder_moves),
		T(test_group),	    T(test_longest),  T(test_relative), T(test_inherited),	 T(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
