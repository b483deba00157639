/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen-exec [-w] [-k] SOCKET FD PROGRAM ARGS...: runs the program as container runtimes and libvirt run virtiofsd: a
 * socket that listens at the path SOCKET is its descriptor FD, and the three standard ones are /dev/null. -w: only once
 * somebody has connected. -k: keep standard error.
 * listen-exec -l SOCKET: writes each datagram that comes to the path SOCKET to standard output, as a line, for as long as its
 * parent lives.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_MS 60000

static int fail(const char *what)
{
	fprintf(stderr, "listen-exec: %s: %s\n", what, strerror(errno));
	return 126;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(addr.sun_path, path);
	unlink(path);
	return fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 16) == 0 ? fd : -1;
}

static int to_null(bool keep_stderr)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	return null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 && (keep_stderr || dup2(null, 2) >= 0) ? 0 : -1;
}

/* dup2 to itself would leave the descriptor to be closed. */
static int give(int fd, int as)
{
	return fd == as ? fcntl(fd, F_SETFD, 0) : dup2(fd, as);
}

static int sink(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[4096];
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (strlen(path) >= sizeof(addr.sun_path))
		return 2;
	strcpy(addr.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return fail(path);
	while ((n = recv(fd, text, sizeof(text), 0)) >= 0) {
		printf("%.*s\n", (int)n, text);
		fflush(stdout);
	}
	return fail(path);
}

int main(int argc, char **argv)
{
	bool wait = false, keep_stderr = false;
	int option;

	while ((option = getopt(argc, argv, "+wkl:")) != -1) {
		wait |= option == 'w';
		keep_stderr |= option == 'k';
		if (option == 'l')
			return sink(optarg);
		if (option == '?')
			return 2;
	}
	if (argc - optind < 3)
		return 2;
	argv += optind;
	struct pollfd p = { .fd = listen_at(argv[0]), .events = POLLIN };
	if (p.fd < 0)
		return fail(argv[0]);
	if (wait && poll(&p, 1, WAIT_MS) != 1)
		return fail("nobody came");
	if (to_null(keep_stderr) < 0 || give(p.fd, atoi(argv[1])) < 0)
		return fail("descriptors");
	execv(argv[2], argv + 2);
	return fail(argv[2]);
}
