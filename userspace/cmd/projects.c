/* SPDX-License-Identifier: MIT */
/* Each kind of project is a file that tells it, and what has to be in there. Nothing is run and nothing is
 * parsed in full: what comes out is a proposal that a person reads. */

#include "userspace/cmd/projects.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/shellwords.h"

/* Nobody writes longer ones by hand; what is beyond is not looked at. */
#define FILE_MAX_BYTES ((size_t)1 << 20)
#define TEXT_MAX       ((size_t)1000)
/* Of one pattern: a monorepo has hundreds of units. */
#define FILES_MAX ((size_t)3)

struct found {
	struct arena *arena;
	const char *path, *text; /* "" where only the file's being there is asked for */
	struct proposal *proposal;
};

/* --- what a row cannot say by itself ------------------------------------------------------------ */

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The rest of the line behind @key at the beginning of a line, without blanks; NULL: there is none. */
static const char *value_of(struct arena *arena, const char *text, const char *key)
{
	const size_t n = strlen(key);
	for (const char *line = text; line != NULL && *line != '\0';) {
		if (strncmp(line, key, n) == 0) {
			const char *value = line + n + strspn(line + n, " \t");
			return arena_strndup(arena, value, strcspn(value, "\r\n"));
		}
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return NULL;
}

/* The package manager of a project of Node is told by its lock file. */
static bool of_node(struct found *f)
{
	const char *tool = exists("pnpm-lock.yaml") ? "pnpm" : exists("yarn.lock") ? "yarn" : NULL;
	if (tool == NULL || strncmp(f->proposal->command, "npm ", 4) != 0)
		return true;
	f->proposal->command = arena_printf(f->arena, "%s%s", tool, f->proposal->command + 3);
	return true;
}

/* ["./server", "--port", "80"] -> ./server --port 80. NULL: not the exec form, or what needs more than
 * that. */
static const char *words_of_list(struct arena *arena, const char *list)
{
	_cleanup_(buf_done) struct buf line = { .limit = TEXT_MAX };
	if (*list != '[' || strchr(list, '\\') != NULL)
		return NULL;
	for (const char *at = strchr(list, '"'); at != NULL;) {
		const char *end = strchr(at + 1, '"');
		const char *word =
			end != NULL ? arena_strndup(arena, at + 1, (size_t)(end - at - 1)) : NULL;
		const char *quoted = word != NULL ? shellwords_quote(arena, word) : NULL;
		if (quoted == NULL)
			return NULL;
		(void)buf_addf(&line, "%s%s", line.len > 0 ? " " : "", quoted);
		at = strchr(end + 1, '"');
	}
	return line.error < 0 || line.len == 0 ? NULL : arena_strdup(arena, buf_str(&line));
}

/* What the image would run, if it can be run here. */
static bool of_dockerfile(struct found *f)
{
	const char *entry = value_of(f->arena, f->text, "ENTRYPOINT ");
	const char *arguments = value_of(f->arena, f->text, "CMD ");
	const char *command = entry != NULL ? words_of_list(f->arena, entry) : NULL;
	const char *rest = arguments != NULL ? words_of_list(f->arena, arguments) : NULL;
	if (command == NULL && entry == NULL)
		command = rest;
	else if (command != NULL && rest != NULL)
		command = arena_printf(f->arena, "%s %s", command, rest);
	f->proposal->command = command;
	f->proposal->ready = value_of(f->arena, f->text, "EXPOSE ") != NULL ? "accept" : NULL;
	return command != NULL;
}

/* When a unit is up, by its Type=: what a service tells systemd, startline can wait for. NULL: at its end. */
static const char *ready_of_unit(const char *type)
{
	if (type != NULL && strncmp(type, "notify", strlen("notify")) == 0)
		return "notify";
	return type != NULL && strcmp(type, "oneshot") == 0 ? NULL : "accept";
}

/* ExecStart= without its prefixes. */
static bool of_unit(struct found *f)
{
	const char *command = value_of(f->arena, f->text, "ExecStart=");
	const char *slash = strrchr(f->path, '/');
	f->proposal->name = slash != NULL ? slash + 1 : f->path;
	if (command == NULL)
		return false;
	command += strspn(command, "@-:+!|");
	f->proposal->command = command;
	f->proposal->ready = ready_of_unit(value_of(f->arena, f->text, "Type="));
	/* Specifiers and variables are systemd's. */
	return strpbrk(command, "%$") == NULL;
}

/* --- THE table ---------------------------------------------------------------------------------- */

#define NOT_AGAIN "    runs: 3                 # each builds everything\n"
#define COMPOSE                                                                      \
	"    containers: true        # what docker starts for it is measured, too\n" \
	"    prepare: docker compose down # before each run, not measured\n"

/* clang-format off */
static const struct kind {
	const char *files;   /* a glob below the current directory */
	const char *pattern; /* what a line of it has, as an extended expression; NULL: anything */
	const char *unless;  /* … and none has; NULL: nothing */
	const char *name, *command, *ready, *more;
	const char *why;     /* behind the name of the file */
	bool (*refine)(struct found *f); /* false: it is none after all */
} kinds[] = {
	{ "package.json", "\"start\"[ \t]*:", NULL, "npm start", "npm start", "accept", "", "has the script 'start'", of_node },
	{ "package.json", "\"test\"[ \t]*:", "no test specified", "npm test", "npm test", NULL, "", "has the script 'test'", of_node },
	{ "package.json", "\"build\"[ \t]*:", NULL, "npm run build", "npm run build", NULL, NOT_AGAIN, "has the script 'build'", of_node },
	{ "manage.py", "django", NULL, "django server", "python3 manage.py runserver --noreload", "accept", "", "is Django's", NULL },
	{ "pyproject.toml", "pytest", NULL, "pytest", "python3 -m pytest -q", NULL, "", "names pytest", NULL },
	{ "setup.cfg", "^\\[tool:pytest\\]", NULL, "pytest", "python3 -m pytest -q", NULL, "", "configures pytest", NULL },
	{ "pytest.ini", NULL, NULL, "pytest", "python3 -m pytest -q", NULL, "", "is pytest's", NULL },
	{ "conftest.py", NULL, NULL, "pytest", "python3 -m pytest -q", NULL, "", "is pytest's", NULL },
	{ "tests/conftest.py", NULL, NULL, "pytest", "python3 -m pytest -q", NULL, "", "is pytest's", NULL },
	{ "tests/test_*.py", "^(import|from) pytest|^def test_", NULL, "pytest", "python3 -m pytest -q", NULL, "", "looks like pytest's", NULL },
	{ "go.mod", NULL, NULL, "go test", "go test -count=1 ./...", NULL, "", "is a module of Go", NULL },
	{ "go.mod", NULL, NULL, "go build", "go build -a ./...", NULL, NOT_AGAIN, "is a module of Go", NULL },
	{ "Cargo.toml", NULL, NULL, "cargo test", "cargo test", NULL, "", "is a package of Rust", NULL },
	{ "Makefile", "^test[ \t]*:([^=]|$)", NULL, "make test", "make test", NULL, "", "has the target 'test'", NULL },
	{ "Makefile", "^check[ \t]*:([^=]|$)", NULL, "make check", "make check", NULL, "", "has the target 'check'", NULL },
	{ "Makefile", NULL, NULL, "make", "make -B", NULL, NOT_AGAIN, "builds something", NULL },
	{ "CMakeLists.txt", "enable_testing|include *\\( *CTest", NULL, "ctest", "ctest --test-dir build", NULL, "", "has tests, which are built in build/", NULL },
	{ "CMakeLists.txt", NULL, NULL, "cmake build", "cmake --build build --clean-first", NULL, NOT_AGAIN, "builds something, in build/", NULL },
	{ "meson.build", "test *\\(", NULL, "meson test", "meson test -C build", NULL, "", "has tests, which are built in build/", NULL },
	{ "pom.xml", NULL, NULL, "maven tests", "mvn -q test", NULL, "", "is Maven's", NULL },
	{ "gradlew", NULL, NULL, "gradle tests", "./gradlew --no-daemon cleanTest test", NULL, "", "is Gradle's", NULL },
	{ "Dockerfile", "^(CMD|ENTRYPOINT) ", NULL, "image", NULL, NULL, "", "runs this in its image", of_dockerfile },
	{ "*.service", "^ExecStart=", NULL, NULL, NULL, NULL, "", "runs this", of_unit },
	{ "*/*.service", "^ExecStart=", NULL, NULL, NULL, NULL, "", "runs this", of_unit },
	{ "compose.y*ml", "^services:", NULL, "compose", "docker compose up --detach --wait", NULL, COMPOSE, "has services", NULL },
	{ "docker-compose.y*ml", "^services:", NULL, "compose", "docker compose up --detach --wait", NULL, COMPOSE, "has services", NULL },
};
/* clang-format on */

/* --- looking ------------------------------------------------------------------------------------ */

static bool matches(const char *pattern, const char *text)
{
	regex_t regex;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) != 0)
		return false;
	const bool is_match = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return is_match;
}

/* Names and commands come from files that anybody may have written. */
static bool is_harmless(const char *text)
{
	if (text == NULL || *text == '\0' || strlen(text) > TEXT_MAX)
		return false;
	for (; *text != '\0'; text++) {
		if (!isascii((unsigned char)*text) || !isprint((unsigned char)*text))
			return false;
	}
	return true;
}

/* Braces could be a parameter. */
static bool is_usable(struct arena *arena, const char *command)
{
	char **words = NULL;
	const char *error = NULL;
	size_t at = 0;
	if (!is_harmless(command) || strpbrk(command, "{}") != NULL)
		return false;
	return shellwords_split(arena, command, &words, NULL, &error, &at) == 0;
}

static bool is_named(const struct proposals *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++) {
		if (strcmp(all->items[i].name, name) == 0)
			return true;
	}
	return false;
}

static void add(struct arena *arena, const struct kind *kind, const char *path, const char *text,
		struct proposals *ret)
{
	struct proposal p = {
		.name = kind->name,
		.command = kind->command,
		.ready = kind->ready,
		.more = kind->more,
		.why = arena_printf(arena, "%s %s", path, kind->why),
	};
	struct found found = { arena, path, text, &p };
	if (kind->refine != NULL && !kind->refine(&found))
		return;
	if (!is_harmless(p.why) || !is_harmless(p.name) || is_named(ret, p.name) ||
	    !is_usable(arena, p.command))
		return;
	size_t n = 0;
	p.needs_shell = shellwords_needs_shell(p.command, &n) != NULL;
	if (ret->n < PROPOSALS_MAX)
		ret->items[ret->n++] = p;
}

static void look_at(struct arena *arena, const struct kind *kind, const char *path,
		    struct proposals *ret)
{
	_cleanup_(buf_done) struct buf text = { .limit = FILE_MAX_BYTES };
	const int r = fs_read_file(path, &text);
	/* What is too long is looked at as far as it goes. */
	if ((r < 0 && r != -EFBIG) ||
	    (kind->pattern != NULL && !matches(kind->pattern, buf_str(&text))))
		return;
	if (kind->unless != NULL && matches(kind->unless, buf_str(&text)))
		return;
	const char *kept = arena_strdup(arena, buf_str(&text));
	const char *name = arena_strdup(arena, path);
	if (kept != NULL && name != NULL)
		add(arena, kind, name, kept, ret);
}

int projects_look(struct arena *arena, struct proposals *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		glob_t found = { 0 };
		if (glob(kinds[i].files, 0, NULL, &found) == GLOB_NOSPACE) {
			globfree(&found);
			return fail(-ENOMEM, "not enough memory to look at this directory");
		}
		for (size_t k = 0; k < found.gl_pathc && k < FILES_MAX; k++)
			look_at(arena, &kinds[i], found.gl_pathv[k], ret);
		globfree(&found);
	}
	return 0;
}
