/* SPDX-License-Identifier: MIT */
/* Finds out what a REF names, by its content. */

#include "userspace/cmd/ref.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/recording.h"
#include "userspace/cmd/store_access.h"
#include "userspace/foreign/foreign.h"
#include "userspace/gate/sequence.h"
#include "userspace/model/document/session_json.h"

/* A session document of thousands of processes is a few megabytes. */
#define DOCUMENT_MAX (256u * 1024 * 1024)

/* Files of results that are put together. */
#define FILES_MAX 10000

/* "@base" and the like. NULL: it is no arm's name. */
static const char *arm_of(const char *suffix)
{
	for (enum arm arm = ARM_BASE; *suffix == '@' && arm < ARM_COUNT; arm++) {
		if (strcmp(suffix + 1, arm_name(arm)) == 0)
			return arm_name(arm);
	}
	return NULL;
}

/* "~N", "~N@base", or NULL. */
static int open_recording(const char *ref, struct buf *path, const char **ret_arm)
{
	uint64_t n = 1;
	if (ref != NULL) {
		const size_t n_digits = strcspn(ref + 1, "@");
		const char *suffix = ref + 1 + n_digits;
		_cleanup_free_ char *digits = strndup(ref + 1, n_digits);
		*ret_arm = arm_of(suffix);
		if (digits == NULL || parse_u64(digits, &n) < 0 || n == 0 ||
		    (*suffix != '\0' && *ret_arm == NULL))
			return fail(-EINVAL, "'%s': recordings are counted from ~1, the last one",
				    ref);
	}
	return recording_open((size_t)n, path);
}

/* A file, or FILE@base where there is none of that name. */
static int open_file(const char *ref, struct buf *path, const char **ret_arm)
{
	const char *at = strrchr(ref, '@');
	if (at != NULL && access(ref, F_OK) < 0)
		*ret_arm = arm_of(at);
	const int r = buf_add(path, ref, *ret_arm != NULL ? (size_t)(at - ref) : strlen(ref));
	if (r < 0)
		return fail(-ENAMETOOLONG, "cannot read '%s'", ref);
	/* O_NONBLOCK: opening a FIFO that nobody writes would wait for ever. */
	const int fd = open(buf_str(path), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd >= 0 ? fd : fail(-errno, "cannot read '%s': %s", buf_str(path), strerror(errno));
}

/* *ret_arm: the one of a comparison that is named, or NULL. */
static int open_ref(const char *ref, struct buf *path, const char **ret_arm)
{
	*ret_arm = NULL;
	return ref == NULL || *ref == '~' ? open_recording(ref, path, ret_arm)
					  : open_file(ref, path, ret_arm);
}

/* Of an interleaved comparison it is what was measured that is meant, and never a mixture. */
static int load_trace(int fd, const char *path, const char *arm, struct session **ret)
{
	struct trace *trace = NULL;
	int r = trace_load_fd(fd, path, &trace);
	if (r < 0)
		return r;
	const bool is_chosen = arm == NULL && session_has_arm(trace, arm_name(ARM_HEAD));
	r = session_build_arm(trace, is_chosen ? arm_name(ARM_HEAD) : arm, ret);
	(void)trace_free(trace);
	if (r >= 0 && is_chosen)
		r = session_add_note(
			*ret, "an interleaved comparison: these are the runs of head, FILE@base "
			      "and FILE@control are the others");
	return r;
}

static int not_recognised(const char *path, const char *what)
{
	_cleanup_(buf_done) struct buf names = { .limit = 4096 };
	return fail(-EBADMSG,
		    "'%s': %s of startline nor a result of another tool that it reads (%s)", path,
		    what, foreign_names(&names));
}

static bool is_directory(const char *path)
{
	_cleanup_(buf_done) struct buf directory = { .limit = PATH_MAX };
	const char *name = NULL;
	return foreign_split(path, &directory, &name);
}

static int load_directory(const char *path, struct session **ret)
{
	const int r = foreign_read(NULL, 0, path, ret);
	if (r == 0 && *ret == NULL)
		return not_recognised(path, "neither a recording");
	return r;
}

int ref_read(const char *text, size_t length, const char *name, struct session **ret)
{
	if (session_sniff_json(text, length))
		return session_read_json(text, length, name, ret);
	const int r = foreign_read(text, length, name, ret);
	if (r == 0 && *ret == NULL)
		return not_recognised(name, "neither a recording nor a session document");
	return r;
}

static int load_file(const char *ref, struct session **ret)
{
	_cleanup_(buf_done) struct buf path = { .limit = PATH_MAX };
	const char *arm;
	_cleanup_close_ const int fd = open_ref(ref, &path, &arm);
	if (fd < 0)
		return fd;
	if (trace_sniff(fd))
		return load_trace(fd, buf_str(&path), arm, ret);

	_cleanup_(buf_done) struct buf text = { .limit = DOCUMENT_MAX };
	const int r = fs_read_fd(fd, &text);
	if (r < 0)
		return fail(r, "cannot read '%s': %s", buf_str(&path), strerror(-r));
	return ref_read(buf_str(&text), text.len, buf_str(&path), ret);
}

/* --- several files -------------------------------------------------------------------------- */

struct part_list VEC(struct session *);

static void parts_done(struct part_list *parts)
{
	vec_foreach(part, parts)
		(void)session_free(*part);
	vec_done(parts);
}

static int load_one(const char *file, struct session **ret)
{
	return is_directory(file) ? load_directory(file, ret) : load_file(file, ret);
}

static int load_part(struct part_list *parts, const char *file)
{
	struct session *part = NULL;
	int r = load_one(file, &part);
	if (r >= 0)
		r = vec_push(parts, part);
	if (r < 0)
		(void)session_free(part);
	return r;
}

/* What @pattern matches, put together; nothing in a directory: that is as it is named. */
static int load_all(const char *file, const char *pattern, struct session **ret)
{
	_cleanup_(parts_done) struct part_list parts = { 0 };
	_cleanup_(globfree) glob_t found = { 0 };
	const int e = glob(pattern, GLOB_ERR, NULL, &found);
	int r = 0;
	if (e == GLOB_NOMATCH && strcmp(file, pattern) != 0)
		return load_one(file, ret);
	if (e != 0 || found.gl_pathc > FILES_MAX)
		return fail(e == GLOB_NOSPACE ? -ENOMEM : -ENOENT, "cannot read '%s': %s", pattern,
			    e == 0 ? "these are too many files" : "there is no such file");
	for (size_t i = 0; r >= 0 && i < found.gl_pathc; i++)
		r = load_part(&parts, found.gl_pathv[i]);
	if (r >= 0 && parts.n > 1)
		r = foreign_merge(parts.items[0], parts.items + 1, parts.n - 1, pattern);
	if (r < 0 || parts.n == 0)
		return r < 0 ? r : -ENOENT;
	*ret = parts.items[0];
	parts.items[0] = NULL;
	return 0;
}

/* A glob where nothing has that very name, or a directory that is not a tool's own: results in it. */
static bool is_many(const char *file, struct buf *ret_pattern)
{
	struct stat st;
	if (stat(file, &st) < 0)
		return strpbrk(file, "*?[") != NULL && buf_adds(ret_pattern, file) == 0;
	return S_ISDIR(st.st_mode) && !foreign_knows_directory(file) &&
	       buf_addf(ret_pattern, "%s/*", file) == 0;
}

/* A file or directory, maybe only an entry of it. */
static int load_path(const char *ref, struct session **ret)
{
	_cleanup_(buf_done) struct buf path = { .limit = PATH_MAX };
	_cleanup_(buf_done) struct buf pattern = { .limit = PATH_MAX };
	const char *entry = foreign_entry(ref, &path);
	if (path.error < 0)
		return fail(-ENAMETOOLONG, "cannot read '%s'", ref);
	const char *file = buf_str(&path);
	struct session *session = NULL;
	int r = is_many(file, &pattern) ? load_all(file, buf_str(&pattern), &session)
					: load_one(file, &session);
	if (r >= 0 && entry != NULL)
		r = foreign_select(session, entry, file);
	if (r >= 0)
		*ret = session;
	else
		(void)session_free(session);
	return r;
}

/* A baseline, or NAME#ENTRY where there is none of the whole name. */
static int load_baseline(const char *name, struct session **ret)
{
	const char *hash = strchr(name, '#');
	const int has = hash != NULL ? store_access_has(name) : 1;
	if (has != 0)
		return has < 0 ? has : store_access_load(name, ret);
	_cleanup_free_ char *whole = strndup(name, (size_t)(hash - name));
	struct session *session = NULL;
	int r = whole != NULL ? store_access_load(whole, &session) : -ENOMEM;
	if (r >= 0)
		r = foreign_select(session, hash + 1, whole);
	if (r < 0)
		session = session_free(session);
	*ret = session;
	return r;
}

int ref_load(const char *ref, struct session **ret)
{
	if (ref != NULL && *ref == '@')
		return load_baseline(ref + 1, ret);
	return ref == NULL || *ref == '~' ? load_file(ref, ret) : load_path(ref, ret);
}

int ref_status(const char *ref, int r)
{
	if (r >= 0)
		return 0;
	return ref != NULL && *ref == '@' && r != -ENOENT ? EXIT_STARTLINE : EXIT_USAGE;
}

int ref_load_trace(const char *ref, struct trace **ret)
{
	_cleanup_(buf_done) struct buf path = { .limit = PATH_MAX };
	const char *arm;
	_cleanup_close_ const int fd = open_ref(ref, &path, &arm);
	if (fd < 0)
		return fd;
	if (!trace_sniff(fd))
		return fail(-EBADMSG, "'%s': not a recording of startline", buf_str(&path));
	return trace_load_fd(fd, buf_str(&path), ret);
}
