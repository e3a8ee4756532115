/* SPDX-License-Identifier: MIT */
/* The file system identity goes with two calls that report no failure: both are asked again. The
 * kernel takes the capabilities over files away and gives them back with it, see capabilities(7). */

#include "userspace/base/rights.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/base/units.h"

#define GROUPS_MAX 65536
#define NOBODY	   ((uid_t)-1) /* means "leave as it is" to the kernel; no file can belong to it */

static struct {
	bool is_set;
	struct rights_user user;
} invoking;

/* ---- users ---- */

static bool parse_id(const char *text, uint32_t *ret)
{
	uint64_t value = 0;
	if (text == NULL || parse_u64(text, &value) < 0 || value >= UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static int fill(uid_t uid, gid_t gid, const char *name, struct rights_user *ret)
{
	int n = GROUPS_MAX;
	gid_t *groups = calloc(GROUPS_MAX, sizeof(*groups));
	char *copy = name != NULL ? strdup(name) : NULL;
	if (groups == NULL || (name != NULL && copy == NULL)) {
		free(groups);
		free(copy);
		return -ENOMEM;
	}
	if (name == NULL || getgrouplist(name, gid, groups, &n) < 0) {
		groups[0] = gid;
		n = 1;
	}
	*ret = (struct rights_user){
		.uid = uid, .gid = gid, .name = copy, .groups = groups, .n_groups = (size_t)n
	};
	return 0;
}

int rights_named(const char *name, const struct rights_user **ret)
{
	static struct rights_user named;
	const struct passwd *entry = getpwnam(name);
	struct rights_user user;
	if (entry == NULL)
		return -ENOENT;
	const int r = fill(entry->pw_uid, entry->pw_gid, entry->pw_name, &user);
	if (r < 0)
		return r;
	free((void *)(uintptr_t)named.name);
	free((void *)(uintptr_t)named.groups);
	named = user;
	*ret = &named;
	return 0;
}

const struct rights_user *rights_invoking(void)
{
	return invoking.is_set ? &invoking.user : NULL;
}

/* What sudo -u would set; the last only where it is set already. */
static const struct variable {
	const char *name;
	size_t member; /* of struct passwd */
	bool is_always;
} variables[] = {
	{ "HOME", offsetof(struct passwd, pw_dir), true },
	{ "USER", offsetof(struct passwd, pw_name), true },
	{ "LOGNAME", offsetof(struct passwd, pw_name), true },
	{ "SHELL", offsetof(struct passwd, pw_shell), false },
};
#define N_VARIABLES (sizeof(variables) / sizeof(*variables))

static const char *value_of(const struct passwd *entry, const struct variable *v)
{
	const char *value = NULL;
	memcpy(&value, (const char *)entry + v->member, sizeof(value));
	return value;
}

/* Which of them are root's. Others were set on purpose. */
static void find_roots(bool ret[static N_VARIABLES])
{
	const struct passwd *root = getpwuid(0);
	for (size_t i = 0; i < N_VARIABLES; i++) {
		const char *now = getenv(variables[i].name);
		ret[i] = now == NULL
				 ? variables[i].is_always
				 : root != NULL && strcmp(now, value_of(root, &variables[i])) == 0;
	}
}

static int set_variables(const struct passwd *entry, const bool are_roots[static N_VARIABLES])
{
	for (size_t i = 0; i < N_VARIABLES; i++) {
		if (are_roots[i] &&
		    setenv(variables[i].name, value_of(entry, &variables[i]), 1) < 0)
			return -errno;
	}
	return 0;
}

/* ---- for good ---- */

int rights_become(const struct rights_user *user)
{
	/* The library's own would try to change all threads of the process it believes to be in. */
	if (user != NULL && (syscall(SYS_setgroups, user->n_groups, user->groups) < 0 ||
			     syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0 ||
			     syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0))
		return -errno;
	return 0;
}

/* ---- for a while ---- */

uid_t rights_uid(void)
{
	return (uid_t)setfsuid(NOBODY);
}

gid_t rights_gid(void)
{
	return (gid_t)setfsgid(NOBODY);
}

static int set_files(uid_t uid, gid_t gid)
{
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	return rights_uid() == uid && rights_gid() == gid ? 0 : -EPERM;
}

int rights_take(uid_t uid, gid_t gid, struct rights *ret_before)
{
	*ret_before = (struct rights){ .uid = rights_uid(), .gid = rights_gid() };
	if (geteuid() != 0 || (ret_before->uid == uid && ret_before->gid == gid))
		return 0;
	ret_before->is_changed = true;
	return set_files(uid, gid);
}

int rights_take_effective(struct rights *ret_before)
{
	*ret_before = (struct rights){ .uid = rights_uid(), .gid = rights_gid() };
	if (geteuid() != 0 || ret_before->uid == 0)
		return 0;
	ret_before->is_changed = ret_before->is_effective = true;
	return setegid(ret_before->gid) < 0 || seteuid(ret_before->uid) < 0 ? -errno : 0;
}

void rights_give_back(const struct rights *before)
{
	bool is_done = true;
	if (before->is_effective)
		is_done = seteuid(0) == 0 && setegid(getgid()) == 0;
	if (before->is_changed)
		is_done = is_done && set_files(before->uid, before->gid) == 0;
	/* To go on as somebody else is worse than not to go on. */
	if (!is_done)
		__builtin_trap();
}

static int find_invoking(uid_t uid)
{
	uint32_t gid = 0;
	bool are_roots[N_VARIABLES];
	find_roots(are_roots);
	const struct passwd *entry = getpwuid(uid);
	if (!parse_id(getenv("SUDO_GID"), &gid)) {
		if (entry == NULL)
			return -EINVAL;
		gid = entry->pw_gid;
	}
	const int r = entry != NULL ? set_variables(entry, are_roots) : 0;
	return r < 0 ? r : fill(uid, gid, entry != NULL ? entry->pw_name : NULL, &invoking.user);
}

static int begin(const char *sudo_uid)
{
	uint32_t uid = 0;
	if (!parse_id(sudo_uid, &uid))
		return -EINVAL;
	if (uid == 0)
		return 0;
	const int r = find_invoking(uid);
	if (r < 0)
		return r;
	invoking.is_set = true;
	if (setgroups(invoking.user.n_groups, invoking.user.groups) < 0)
		return -errno;
	return set_files(uid, invoking.user.gid);
}

int rights_begin(void)
{
	const char *uid = getenv("SUDO_UID");
	const int r = geteuid() == 0 && uid != NULL ? begin(uid) : 0;
	if (r < 0)
		return fail(
			r,
			"SUDO_UID is '%s': the rights of that user cannot be taken: %s; unset it "
			"to run all as root",
			uid, strerror(-r));
	return 0;
}
