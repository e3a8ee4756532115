/* SPDX-License-Identifier: MIT */
/* init = what projects.c found, written as a startline.yml with comments. */

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/path.h"
#include "userspace/base/shellwords.h"
#include "userspace/cmd/arguments.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/projects.h"
#include "userspace/gate/config.h"

enum { KEY_FORCE = OPTION_FIRST_FREE };

struct opts {
	const char *path;
	bool is_forced, is_quiet;
};

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "write this file, - for standard output (" CONFIG_FILE ")", 0 },
	{ "force", KEY_FORCE, NULL, 0, "also when there is such a file already", 0 },
	{ "quiet", 'q', NULL, 0, "errors only", 0 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0 },
	{ 0 },
};

static const char doc[] =
	"Looks at the project here and proposes a startline.yml: what builds, tests or starts it, as "
	"scenarios with comments. Runs nothing."
	"\v"
	"EXAMPLES\n"
	"  startline init\n"
	"  startline init -o -\n"
	"  startline check --list\n"
	"  startline check --save\n";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	switch (key) {
	case 'o':
		o->path = arg;
		return 0;
	case KEY_FORCE:
		o->is_forced = true;
		return 0;
	case 'q':
		o->is_quiet = true;
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s': it takes no arguments", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = { options, parse_option, "", doc, NULL, NULL, NULL };

/* --- the file ------------------------------------------------------------------------------- */

static const char head[] =
	"# What `startline check` measures and judges: startline.yml(5) has all keys. Written by `startline\n"
	"# init`; nothing here has to stay as it is.\n"
	"\n"
	"# What each scenario is compared with. `startline check --save` stores the first one of each.\n"
	"baseline: main\n"
	"\n"
	"# Or with another commit, both interleaved: what decides in a pull request.\n"
	"# base: { worktree: origin/main, setup: make }\n"
	"\n"
	"scenarios:\n";

static const char nothing[] =
	"  # Nothing was found here that tells how this is started or tested: say so.\n"
	"  - name: program\n"
	"    command: ./program\n"
	"    # ready: accept         # of a server: it takes connections, and is stopped then\n"
	"    # target: \"< 10 s\"\n";

/* A text that YAML would read as something else stands in quotes. */
static void add_scalar(struct buf *out, const char *text)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=+ ";
	const bool is_plain = strchr("-/.=+ 0123456789", *text) == NULL ||
			      strncmp(text, "./", 2) == 0 || *text == '/';
	if (is_plain && text[strspn(text, plain)] == '\0') {
		(void)buf_adds(out, text);
		return;
	}
	(void)buf_addc(out, '\'');
	for (; *text != '\0'; text++)
		(void)buf_adds(out, (char[]){ *text, *text == '\'' ? '\'' : '\0', '\0' });
	(void)buf_addc(out, '\'');
}

static void add_proposal(struct buf *out, const struct proposal *p)
{
	(void)buf_addf(out, "  # %s.\n  - name: ", p->why);
	add_scalar(out, p->name);
	(void)buf_adds(out, "\n    command: ");
	add_scalar(out, p->command);
	(void)buf_addf(out, "\n%s", p->needs_shell ? "    shell: true\n" : "");
	if (p->ready != NULL)
		(void)buf_addf(
			out,
			"    ready: %-16s # then it is stopped; without it it runs to its end\n",
			p->ready);
	(void)buf_adds(out, p->more);
	(void)buf_addf(out, "    # target: %-13s # a limit that fails when it is exceeded\n",
		       p->ready != NULL ? "\"< 2 s\"" : "\"< 60 s\"");
}

static int compose(const struct proposals *all, struct buf *out)
{
	(void)buf_adds(out, head);
	for (size_t i = 0; i < all->n; i++) {
		(void)buf_adds(out, i > 0 ? "\n" : "");
		add_proposal(out, &all->items[i]);
	}
	(void)buf_adds(out, all->n == 0 ? nothing : "");
	return out->error < 0 ? fail(out->error, "not enough memory for a proposal") : 0;
}

/* What is proposed has to be what `check` takes. */
static int check_text(const struct buf *text, const char *path)
{
	struct config *config = NULL;
	const int r = config_parse(buf_str(text), text->len, path, &config);
	(void)config_free(config);
	return r;
}

static int write_new(const char *path, int flags, const struct buf *text)
{
	_cleanup_close_ int fd = path_open(path, O_WRONLY | O_CREAT | flags, 0666);
	return fd < 0 ? fd : write_all(fd, buf_str(text), text->len);
}

/* What somebody has written is replaced whole or not at all: the disk may be full. */
static int write_file(const struct opts *o, const struct buf *text)
{
	struct stat st;
	const bool is_file = lstat(o->path, &st) == 0 && S_ISREG(st.st_mode);
	const int r = o->is_forced && is_file
			      ? path_replace(o->path, buf_str(text), text->len, st.st_mode & 0777)
			      : write_new(o->path, o->is_forced ? O_TRUNC : O_EXCL, text);
	if (r == -EEXIST)
		return fail(
			r,
			"'%s' is there already and stays as it is: `startline init -o -` prints "
			"the proposal, --force replaces the file",
			o->path);
	return r < 0 ? fail(r, "cannot write '%s': %s", o->path, path_strerror(r)) : 0;
}

/* --- what is said --------------------------------------------------------------------------- */

/* @quoted: the path, as it can be pasted into a shell. */
static void say_found(const struct opts *o, const struct proposals *all, const char *quoted)
{
	const bool is_usual = strcmp(o->path, CONFIG_FILE) == 0;
	(void)printf("%s: %zu scenario%s\n", o->path, all->n, all->n == 1 ? "" : "s");
	for (size_t i = 0; i < all->n; i++)
		(void)printf("  %-16s %s\n", all->items[i].name, all->items[i].why);
	if (all->n == 0)
		(void)printf(
			"  nothing was found that tells how this is started or tested: write the\n"
			"  command into it\n");
	(void)printf("next: look at it, then `startline check --save%s%s`\n",
		     is_usual ? "" : " -f ", is_usual ? "" : quoted);
}

int cmd_init(int argc, char **argv)
{
	struct opts o = { .path = CONFIG_FILE };
	struct proposals all;
	if (arguments_parse(&argp, argc, argv, 0, &o) != 0)
		return EXIT_USAGE;
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_(buf_done) struct buf text = { .limit = CONFIG_MAX };
	const bool is_printed = strcmp(o.path, "-") == 0;
	if (arena == NULL || projects_look(arena, &all) < 0 || compose(&all, &text) < 0 ||
	    check_text(&text, o.path) < 0)
		return EXIT_STARTLINE;
	if (is_printed) {
		(void)fputs(buf_str(&text), stdout);
		return 0;
	}
	const int r = write_file(&o, &text);
	if (r < 0)
		return r == -EEXIST ? EXIT_USAGE : EXIT_STARTLINE;
	const char *quoted = shellwords_quote(arena, o.path);
	if (!o.is_quiet)
		say_found(&o, &all, quoted != NULL ? quoted : o.path);
	return 0;
}
