/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's --help and --version. */
#include "server/nydusd/help.h"

#include "lib/log.h"
#include "server/nydusd/options.h"

#define VERSION "v" GRAFT_VERSION
#define COMPILER "none (C, " GRAFT_BUILD_COMPILER ")"

static void print_option(FILE *to, const struct nyd_option *o)
{
	char label[NYD_LABEL_MAX], letter[8] = "    ";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	fprintf(to, "  %s%s\n          %s", letter, nyd_label(o, label), o->help);
	if (o->shown)
		fprintf(to, " [default: %s]", o->shown);
	for (size_t i = 0; o->words && o->words[i]; i++)
		fprintf(to, "%s%s%s", i ? ", " : " [possible values: ", o->words[i], o->words[i + 1] ? "" : "]");
	fprintf(to, "\n");
}

void nyd_print_help(FILE *to, const struct nyd_line *line)
{
	static const char *const what[] = {
		[NYD_FUSE] = "fuse [OPTIONS] --mountpoint <mountpoint>",
		[NYD_VIRTIOFS] = "virtiofs [OPTIONS] --sock <sock>",
		[NYD_SINGLETON] = "singleton [OPTIONS]",
	};

	fputs("Serves images and directories, to this host or to a virtual machine, as nydusd 2.4.4 does.\n\n", to);
	if (line->named)
		fprintf(to, "Usage: nydusd %s\n", what[line->form]);
	else
		fprintf(to,
			"Usage: nydusd [OPTIONS] --mountpoint <mountpoint>\n       nydusd %s\n       nydusd %s\n"
			"       nydusd %s\n       nydusd help [fuse|virtiofs|singleton]\n",
			what[NYD_FUSE], what[NYD_VIRTIOFS], what[NYD_SINGLETON]);
	fputs("\nOptions:\n", to);
	for (const struct nyd_option *o = nyd_options; o->spelling; o++)
		if ((o->forms & line->form) && (o->id != NYD_VERSION || !line->named))
			print_option(to, o);
	if (line->form == NYD_VIRTIOFS)
		fputs("Options of virtiofsd are accepted, without effect.\n", to);
	fputs("\nExit status: 0 after an orderly end, 1 for a failure, 2 for a wrong command line.\n"
	      "This is graftfs; see graftfsd-nydusd(8). graftfsd --help is about its own command line.\n",
	      to);
}

void nyd_print_version(FILE *to)
{
	fputs("nydusd \rVersion: \t" VERSION "\nGit Commit: \t" GRAFT_BUILD_COMMIT "\nBuild Time: \t" GRAFT_BUILD_TIME
	      "\nProfile: \t" GRAFT_BUILD_PROFILE "\nRustc: \t\t" COMPILER "\n\n",
	      to);
}

void nyd_log_version(void)
{
	log_info(NULL, "Program Version: " VERSION ", Git Commit: \"" GRAFT_BUILD_COMMIT "\", Build Time: \"" GRAFT_BUILD_TIME
		       "\", Profile: \"" GRAFT_BUILD_PROFILE "\", Rustc Version: \"" COMPILER "\"");
}
