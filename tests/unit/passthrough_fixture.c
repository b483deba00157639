/* SPDX-License-Identifier: Apache-2.0 */
/* Instance, session and short requests for the passthrough plugin's tests. */
#include "passthrough_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fixture_new(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	if (!fake_folder_make(f->dir) || chmod(f->dir, 0777) < 0) {
		free(f);
		return -1;
	}
	f->fake = fake_host_new();
	f->set = (struct pt_settings){
		.source = f->dir,
		.cache = PT_CACHE_AUTO,
		.file_handles = PT_HANDLES_PREFER,
		.killpriv_v2 = PT_KILLPRIV_AUTO,
		.entry_timeout = UINT64_MAX,
		.attr_timeout = UINT64_MAX,
		.max_nodes = 1 << 20,
		.readdirplus = true,
		.submounts = true,
	};
	f->session = (struct graft_session){
		.size = sizeof(f->session),
		.minor = 38,
		.id = 1,
		.flags = FUSE_SUBMOUNTS,
		.max_write = 1 << 20,
		.transport = GRAFT_VHOST_USER,
	};
	*state = f;
	return 0;
}

int fixture_free(void **state)
{
	struct fixture *f = *state;

	fixture_stop(f);
	fake_folder_remove(f->dir);
	fake_host_free(f->fake);
	free(f);
	return 0;
}

int fixture_start(struct fixture *f)
{
	int res = fake_plugin_start(f->fake, &graft_plugin_v1, &f->set, &f->session, &f->err);

	f->inst = f->fake->inst;
	f->s = res < 0 ? NULL : f->fake->state;
	return res;
}

void fixture_stop(struct fixture *f)
{
	fake_plugin_stop(f->fake);
	f->inst = NULL;
	f->s = NULL;
}

const char *fixture_path(const struct fixture *f, const char *below)
{
	static char paths[8][512];
	static unsigned int turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", f->dir, below);
	return path;
}

void fixture_file(const struct fixture *f, const char *below, const char *content)
{
	int fd = open(fixture_path(f, below), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t len = (ssize_t)strlen(content);

	if (fd < 0 || write(fd, content, (size_t)len) != len) {
		perror(below);
		abort();
	}
	close(fd);
}

int fixture_lookup(struct fixture *f, uint64_t parent, const char *name, struct fuse_entry_out *entry)
{
	return fake_lookup(f->fake, parent, name, entry);
}

uint64_t fixture_node(struct fixture *f, const char *below)
{
	uint64_t node = GRAFT_ROOT_NODE;
	char copy[512], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", below);
	for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		struct fuse_entry_out entry;

		if (fixture_lookup(f, node, part, &entry) < 0)
			return 0;
		node = entry.nodeid;
	}
	return node;
}

void fixture_forget(struct fixture *f, uint64_t node, uint64_t n)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_FORGET, node);

	fake_in(fr, struct fuse_forget_in)->nlookup = n;
	fake_call(fr);
	fake_req_free(fr);
}

int fixture_getattr(struct fixture *f, uint64_t node, struct fuse_attr *attr)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_GETATTR, node);
	int res = fake_call(fr);

	if (attr)
		*attr = fake_out(fr, struct fuse_attr_out)->attr;
	fake_req_free(fr);
	return res;
}

int fixture_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -1; /* the listing's own */

	if (!dir)
		return -1;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		if (e->d_name[0] != '.')
			n++;
	}
	closedir(dir);
	return n;
}
