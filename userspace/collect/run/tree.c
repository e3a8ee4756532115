/* SPDX-License-Identifier: MIT */
/* The set of live processes. A pid is only a number: before a signal goes out, a pidfd is opened
 * and then the news is read once more; if the process has not died until then, the pidfd is its. */

#include "userspace/collect/run/tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"

/* PROC_PID_INIT_INO, include/linux/proc_ns.h: fixed for the initial pid namespace. */
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCu
/* pid_max cannot be more than 2^22. */
#define PIDS_MAX 4194304u
/* What a target can make us remember. */
#define TOLD_MAX   65536u
#define MAPS_BYTES ((size_t)8 << 20)

void tree_init(struct tree *t, bool has_events)
{
	struct stat st;
	*t = (struct tree){ .has_events = has_events };
	t->use_ns_pids = stat("/proc/self/ns/pid", &st) == 0 && st.st_ino != INITIAL_PID_NAMESPACE;
}

void tree_done(struct tree *t)
{
	vec_done(&t->pids);
	vec_done(&t->news);
	vec_done(&t->dead);
	vec_done(&t->told);
}

/* Index of the first pid that is not less than @pid. */
static size_t lower_bound(const struct tree *t, pid_t pid)
{
	size_t low = 0;
	size_t high = t->pids.n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (t->pids.items[middle] < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool tree_has(const struct tree *t, pid_t pid)
{
	const size_t i = lower_bound(t, pid);
	return i < t->pids.n && t->pids.items[i] == pid;
}

int tree_add(struct tree *t, pid_t pid)
{
	if (pid <= 1 || tree_has(t, pid) || t->pids.n >= PIDS_MAX)
		return 0;
	const size_t i = lower_bound(t, pid);
	const int r = vec_push(&t->pids, pid);
	if (r < 0)
		return r;
	memmove(t->pids.items + i + 1, t->pids.items + i,
		(t->pids.n - 1 - i) * sizeof(*t->pids.items));
	t->pids.items[i] = pid;
	return 0;
}

static void note_end(struct tree *t, pid_t pid)
{
	t->ended[t->n_ended % TREE_ENDED].pid = pid;
	t->ended[t->n_ended++ % TREE_ENDED].time_ns = now_ns();
}

bool tree_knows(const struct tree *t, pid_t pid)
{
	const uint64_t now = now_ns();
	for (unsigned int i = 0; i < TREE_ENDED; i++) {
		if (t->ended[i].pid == pid && now < t->ended[i].time_ns + TREE_ENDED_NS)
			return true;
	}
	return tree_has(t, pid);
}

static void tree_remove(struct tree *t, pid_t pid)
{
	const size_t i = lower_bound(t, pid);
	if (i >= t->pids.n || t->pids.items[i] != pid)
		return;
	note_end(t, pid);
	t->pids.n--;
	memmove(t->pids.items + i, t->pids.items + i + 1, (t->pids.n - i) * sizeof(*t->pids.items));
}

int tree_feed(struct tree *t, const struct sl_event *event)
{
	const unsigned int source = event->flags & SL_FLAG_SOURCE;
	if (source == SL_SOURCE_SHIM && event->kind == SL_KIND_TASK && !t->has_events &&
	    t->told.n < TOLD_MAX)
		return vec_push(&t->told, (pid_t)event->pid);
	if (source != SL_SOURCE_BPF)
		return 0;
	if (event->kind == SL_KIND_TASK) {
		const struct sl_task *task = (const struct sl_task *)event;
		if (task->flags & SL_TASK_THREAD)
			return 0;
		/* Not ours to end, nor to wait for. Of other ids than ours the walk tells. */
		if (t->has_strangers && (t->use_ns_pids || !tree_has(t, (pid_t)task->parent_pid)))
			return 0;
		return tree_add(t, (pid_t)(t->use_ns_pids ? task->own_tid : event->pid));
	}
	if (event->kind == SL_KIND_EXIT && !t->use_ns_pids) {
		const struct sl_exit *ended = (const struct sl_exit *)event;
		if (ended->flags & SL_EXIT_PROCESS)
			tree_remove(t, (pid_t)event->pid);
	}
	return 0;
}

/* The state of @pid, according to /proc/PID/stat, and who its parent is. Zombies do not live: they have
 * the state of what is gone, 0, and no parent. */
static char read_stat(pid_t pid, pid_t *ret_parent)
{
	char path[64];
	char text[1024];
	*ret_parent = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	const ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* The command's name may contain anything, closing parentheses included. */
	const char *after = strrchr(text, ')');
	char state = 'Z';
	int parent = 0;
	if (after == NULL || sscanf(after + 1, " %c %d", &state, &parent) != 2 || state == 'Z' ||
	    state == 'X')
		return 0;
	*ret_parent = (pid_t)parent;
	return state;
}

/* 0: it is gone or a zombie. */
static pid_t living_parent_of(pid_t pid)
{
	pid_t parent;
	(void)read_stat(pid, &parent);
	return parent;
}

bool tree_is_alive(pid_t pid)
{
	pid_t parent;
	return read_stat(pid, &parent) != 0;
}

bool tree_is_stopped(pid_t pid)
{
	pid_t parent;
	return read_stat(pid, &parent) == 'T';
}

static int drop_the_dead(struct tree *t)
{
	size_t kept = 0;
	int r = 0;
	t->dead.n = 0;
	for (size_t i = 0; i < t->pids.n; i++) {
		const pid_t pid = t->pids.items[i];
		if (living_parent_of(pid) != 0) {
			t->pids.items[kept++] = pid;
			continue;
		}
		note_end(t, pid);
		if (r >= 0)
			r = vec_push(&t->dead, pid);
	}
	t->pids.n = kept;
	return r;
}

int tree_walk_proc(struct tree *t)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	if (proc == NULL)
		return -errno;
	t->news.n = 0;
	/* /proc lists in order of pid, so children mostly come after their parents; the rest is
	 * found by the next walk. */
	for (const struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		uint64_t pid = 0;
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    parse_u64(entry->d_name, &pid) < 0 || pid > PIDS_MAX)
			continue;
		if (tree_has(t, (pid_t)pid))
			continue;
		const pid_t parent = living_parent_of((pid_t)pid);
		if (parent <= 1 || !tree_has(t, parent))
			continue;
		int r = tree_add(t, (pid_t)pid);
		if (r >= 0)
			r = vec_push(&t->news, (struct kin){ (pid_t)pid, parent });
		if (r < 0)
			return r;
	}
	return drop_the_dead(t);
}

static bool has_mapped(pid_t pid, const char *directory)
{
	char path[64];
	_cleanup_(buf_done) struct buf maps;
	buf_init(&maps, MAPS_BYTES);
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	(void)fs_read_file(path, &maps);
	return strstr(buf_str(&maps), directory) != NULL;
}

int tree_add_told(struct tree *t, const char *directory)
{
	int r = 0;
	vec_foreach(pid, &t->told) {
		if (r >= 0 && *pid > 1 && tree_is_alive(*pid) && has_mapped(*pid, directory))
			r = tree_add(t, *pid);
	}
	return r;
}

struct fd_list VEC(int);

/* Opens a pidfd for each of @pids, -1 for who is gone, until there are no more descriptors. */
static void open_some(const pid_t *pids, size_t n, struct fd_list *ret)
{
	ret->n = 0;
	while (ret->n < n) {
		const int fd = (int)syscall(SYS_pidfd_open, pids[ret->n], 0);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE) && ret->n > 0)
			return;
		if (vec_push(ret, fd) < 0) {
			(void)close(fd);
			return;
		}
	}
}

size_t tree_signal(struct tree *t, int signal, void (*refresh)(void *data), void *data)
{
	struct pid_list pids = { 0 }; /* the tree's own change meanwhile */
	struct fd_list fds = { 0 };
	for (size_t i = 0; i < t->pids.n && vec_push(&pids, t->pids.items[i]) == 0; i++) {
	}
	size_t reached = 0;
	for (size_t at = 0; at < pids.n; at += fds.n) {
		open_some(pids.items + at, pids.n - at, &fds);
		if (fds.n == 0)
			break;
		refresh(data);
		for (size_t i = 0; i < fds.n; i++) {
			if (fds.items[i] < 0)
				continue;
			if (tree_has(t, pids.items[at + i]) &&
			    syscall(SYS_pidfd_send_signal, fds.items[i], signal, NULL, 0) == 0)
				reached++;
			(void)close(fds.items[i]);
		}
	}
	vec_done(&fds);
	vec_done(&pids);
	return reached;
}
