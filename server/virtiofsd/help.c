/* SPDX-License-Identifier: Apache-2.0 */
/* virtiofsd's --help, --version and --print-capabilities. */
#include "server/virtiofsd/help.h"

#include "server/virtiofsd/options.h"

#include <string.h>

#define PEER_VERSION "1.14.0" /* whose command line this is */

static const char *const features[] = {
	"posix-acl-negotiation-mode",
	"security-label-negotiation-mode",
	"separate-options",
};

static void print_option(FILE *to, const struct vfsd_option *o, bool full)
{
	char label[VFSD_LABEL_MAX], letter[8] = "    ";
	bool only_letter = o->letter && strncmp(o->spelling, "--", 2) != 0;

	if (o->letter && !only_letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	fprintf(to, "  %s%s\n          %s", only_letter ? "" : letter, vfsd_label(o, label), o->help);
	if (o->shown)
		fprintf(to, " [default: %s]", o->shown);
	fprintf(to, "\n");
	if (full && o->more)
		fprintf(to, "          %s\n", o->more);
}

void vfsd_print_help(FILE *to, bool full)
{
	fputs("Shares a directory of this host with a virtual machine, as virtiofsd " PEER_VERSION " does.\n\n"
	      "Usage: virtiofsd --shared-dir <SHARED_DIR> --socket-path <SOCKET_PATH> [OPTIONS]\n"
	      "       virtiofsd --shared-dir <SHARED_DIR> --fd <FD> [OPTIONS]\n\n"
	      "Options:\n",
	      to);
	for (const struct vfsd_option *o = vfsd_options; o->spelling; o++)
		print_option(to, o, full);
	if (full)
		fputs("\nExit status: 0 when the front end has left, 1 for a failure or a signal, 2 for a wrong "
		      "command line.\n"
		      "This is graftfs; see graftfsd-virtiofsd(8). graftfsd --help is about its own command line.\n",
		      to);
}

/* The first two words are what scripts compare. */
void vfsd_print_version(FILE *to)
{
	fputs("virtiofsd " PEER_VERSION " (graftfs " GRAFT_VERSION ")\n", to);
}

void vfsd_print_capabilities(FILE *to)
{
	size_t n = sizeof(features) / sizeof(features[0]);

	fputs("{\n  \"type\": \"fs\",\n  \"features\": [\n", to);
	for (size_t i = 0; i < n; i++)
		fprintf(to, "    \"%s\"%s\n", features[i], i + 1 < n ? "," : "");
	fputs("  ]\n}\n", to);
}
