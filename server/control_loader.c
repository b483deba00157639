/* SPDX-License-Identifier: Apache-2.0 */
/* Finds and opens the control module, control.so. */
#include "server/control_loader.h"

#include "lib/cleanup.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>

#define MODULE_NAME "control.so"
#define INSTALLED GRAFT_MODULE_DIR "/" MODULE_NAME

/* The build tree's, beside the folder of this program. False where the program's own path cannot be told. */
static bool build_tree_path(char path[PATH_MAX + 64])
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (len <= 0)
		return false;
	exe[len] = '\0';
	char *slash = strrchr(exe, '/');
	if (!slash)
		return false;
	snprintf(path, PATH_MAX + 64, "%.*s/../lib/graftfs/" MODULE_NAME, (int)(slash - exe), exe);
	return true;
}

static int find(char path[PATH_MAX + 64], struct graft_error *err)
{
	char own[PATH_MAX + 64] = "";

	/* A file that is there and cannot be opened is dlopen's to complain about. */
	if (build_tree_path(own) && access(own, F_OK) == 0)
		strcpy(path, own);
	else if (access(INSTALLED, F_OK) == 0)
		strcpy(path, INSTALLED);
	else
		return error_set(err, ENOENT,
				 "api-socket and state-dir need the control module, which is neither %.300s nor %s",
				 own, INSTALLED);
	return 0;
}

static int check(const struct control_module *module, const char *path, struct graft_error *err)
{
	if (!module)
		return error_set(err, EINVAL, "%.300s: not the control module of graftfs (it has no %s)", path,
				 CONTROL_SYMBOL);
	if (module->version != CONTROL_VERSION)
		return error_set(err, EINVAL, "%.300s: version %u, this graftfsd needs %u: both come from one build",
				 path, module->version, CONTROL_VERSION);
	return 0;
}

int control_library_open(struct control_library *l, struct graft_error *err)
{
	char path[PATH_MAX + 64];

	*l = (struct control_library){ 0 };
	int res = find(path, err);
	if (res)
		return res;
	l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!l->handle) /* dlerror names the file, or the library that is missing */
		return error_set(err, ELIBACC,
				 "loading the control module: %.600s (it needs libmicrohttpd and libjansson)",
				 dlerror());
	l->module = dlsym(l->handle, CONTROL_SYMBOL);
	res = check(l->module, path, err);
	if (res)
		control_library_close(l);
	return res;
}

void control_library_close(struct control_library *l)
{
	if (l->handle)
		dlclose(l->handle);
	*l = (struct control_library){ 0 };
}
