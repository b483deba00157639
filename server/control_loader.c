/* SPDX-License-Identifier: Apache-2.0 */
/* Finds and opens the control module, control.so. */
#include "server/control_loader.h"

#include "lib/cleanup.h"
#include "server/build_tree.h"

#include <dlfcn.h>
#include <string.h>

#define MODULE_NAME "control.so"
#define INSTALLED GRAFT_MODULE_DIR "/" MODULE_NAME

static int find(char path[BUILD_TREE_PATH_MAX], struct graft_error *err)
{
	char own[BUILD_TREE_PATH_MAX] = "";

	/* A file that is there and cannot be opened is dlopen's to complain about. */
	if (build_tree_path(MODULE_NAME, own) && access(own, F_OK) == 0)
		strcpy(path, own);
	else if (access(INSTALLED, F_OK) == 0)
		strcpy(path, INSTALLED);
	else
		return error_set(err, ENOENT,
				 "api-socket, state-dir and layers of a nydus configuration need the control module, which is neither %.300s nor %s",
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
	char path[BUILD_TREE_PATH_MAX];

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
