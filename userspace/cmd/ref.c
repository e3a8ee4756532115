/* SPDX-License-Identifier: MIT */
/* Finds out what a REF names, by its content. */

#include "userspace/cmd/ref.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/recording.h"
#include "userspace/cmd/store_access.h"
#include "userspace/foreign/foreign.h"
#include "userspace/gate/sequence.h"
#include "userspace/model/document/session_json.h"
#include "userspace/trace/trace.h"

/* A session document of thousands of processes is a few megabytes. */
#define DOCUMENT_MAX (256u * 1024 * 1024)

static int resolve(const char *ref, struct buf *ret)
{
	if (ref == NULL)
		return recording_find(1, ret);
	if (*ref != '~')
		return buf_adds(ret, ref);
	uint64_t n = 0;
	const size_t n_digits = strcspn(ref + 1, "@");
	_cleanup_free_ char *digits = strndup(ref + 1, n_digits);
	if (digits == NULL || parse_u64(digits, &n) < 0 || n == 0)
		return fail(-EINVAL, "'%s': recordings are counted from ~1, the last one", ref);
	const int r = recording_find((size_t)n, ret);
	return r < 0 ? r : buf_adds(ret, ref + 1 + n_digits);
}

/* Of FILE@base, where there is no file of that name. NULL: none is named. */
static const char *take_arm(struct buf *path)
{
	const char *at = strrchr(buf_str(path), '@');
	if (at == NULL || access(buf_str(path), F_OK) == 0)
		return NULL;
	for (enum arm arm = ARM_BASE; arm < ARM_COUNT; arm++) {
		if (strcmp(at + 1, arm_name(arm)) != 0)
			continue;
		buf_truncate(path, (size_t)(at - buf_str(path)));
		return arm_name(arm);
	}
	return NULL;
}

/* Of an interleaved comparison it is what was measured that is meant, and never a mixture. */
static int load_trace(const char *path, const char *arm, struct session **ret)
{
	struct trace *trace = NULL;
	int r = trace_load(path, &trace);
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
	_cleanup_(buf_done) struct buf names;
	buf_init(&names, 4096);
	return fail(-EBADMSG,
		    "'%s': %s of startline nor a result of another tool that it reads (%s)", path,
		    what, foreign_names(&names));
}

static bool is_directory(const char *path)
{
	_cleanup_(buf_done) struct buf directory;
	const char *name = NULL;
	buf_init(&directory, PATH_MAX);
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

int ref_load(const char *ref, struct session **ret)
{
	if (ref != NULL && *ref == '@')
		return store_access_load(ref + 1, ret);
	_cleanup_(buf_done) struct buf path;
	buf_init(&path, PATH_MAX);
	int r = resolve(ref, &path);
	if (r < 0)
		return r;
	if (is_directory(buf_str(&path)))
		return load_directory(buf_str(&path), ret);
	const char *arm = take_arm(&path);
	if (trace_sniff(buf_str(&path)))
		return load_trace(buf_str(&path), arm, ret);

	_cleanup_(buf_done) struct buf text;
	buf_init(&text, DOCUMENT_MAX);
	r = fs_read_file(buf_str(&path), &text);
	if (r < 0)
		return fail(r, "cannot read '%s': %s", buf_str(&path), strerror(-r));
	return ref_read(buf_str(&text), text.len, buf_str(&path), ret);
}

int ref_status(const char *ref, int r)
{
	if (r >= 0)
		return 0;
	return ref != NULL && *ref == '@' && r != -ENOENT ? EXIT_STARTLINE : EXIT_USAGE;
}

int ref_trace_path(const char *ref, char **ret)
{
	_cleanup_(buf_done) struct buf path;
	buf_init(&path, PATH_MAX);
	const int r = resolve(ref, &path);
	if (r < 0)
		return r;
	if (!trace_sniff(buf_str(&path)))
		return fail(-EBADMSG, "'%s': not a recording of startline", buf_str(&path));
	*ret = buf_take(&path);
	return *ret != NULL ? 0 : -ENOMEM;
}
