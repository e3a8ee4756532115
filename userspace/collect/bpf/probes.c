/* SPDX-License-Identifier: MIT */
/* The table, and what follows from it: which programs are wanted, and what is said of those that
 * this kernel refused. */
#include "userspace/collect/bpf/probes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bpf/control.h"
#include "userspace/stacks/kallsyms.h"

#define FOLLOWS_PATH                                                         \
	"startup.exec startup.link startup.init startup.main startup.child " \
	"startup.undisturbed startup.library[]"
#define OF_LISTENERS                                                                   \
	"startup.listen startup.accept_ready startup.first_accept startup.first_byte " \
	"startup.listen_gap"
#define OF_CALLS "connect dns network pipe lock sleep child signal file_read file_write"

const struct probe_row probe_rows[PROBES] = {
	[PROBE_FORK] = {
		.name = "fork",
		.is_needed = true,
		.by = { { .programs = { "handle_fork" } } },
	},
	[PROBE_EXEC] = {
		.name = "exec",
		.is_needed = true,
		.is_second = true,
		.by = { { .programs = { "handle_exec" } } },
	},
	[PROBE_EXIT] = {
		.name = "exit",
		.is_needed = true,
		.is_second = true,
		.by = { { .programs = { "handle_exit" } } },
	},
	[PROBE_CALLS] = {
		.name = "system calls",
		.by = { { .programs = { "handle_sys_enter", "handle_sys_exit" } },
			{ .name = "the shim",
			  .is_shim = true,
			  .loss = { .metrics = "startup.exec cpu.user cpu.system cpu.utilization cpu.speed "
					       "net.connects net.connect[] net.reply[] sys.calls[] "
					       "files.opens files.misses startup.module[]",
				    .causes = OF_CALLS,
				    .text = "no files, sockets of dynamic programs only, and waits "
					    "only by their place in the kernel" } } },
		.loss = {
			.metrics = "startup.exec cpu.user cpu.system cpu.utilization cpu.speed "
				   "net.connects net.connect[] "
				   "net.reply[] sys.calls[] files.opens files.misses startup.module[] " OF_LISTENERS,
			.causes = OF_CALLS,
			.text = "no files, sockets and listeners; waits only by their place in the kernel",
		},
	},
	[PROBE_SWITCHES] = {
		.name = "switches",
		.is_second = true,
		.by = { { .programs = { "handle_switch" } } },
		.loss = {
			.metrics = "cpu.user cpu.system cpu.utilization " FOLLOWS_PATH,
			.causes = "page_fault file_read file_write disk connect dns network pipe lock "
				  "sleep child signal kernel runqueue throttled",
			.text = "no breakdown: what threads waited for is not seen",
		},
	},
	[PROBE_WAKEUPS] = {
		.name = "wake-ups",
		.is_second = true,
		.by = { { .programs = { "handle_waking" } } },
		.loss = {
			.metrics = FOLLOWS_PATH,
			.text = "who woke whom is not seen: the breakdown stays on one thread, and a "
				"wait lasts until it runs again",
		},
	},
	[PROBE_RESIDENT] = {
		.name = "resident memory",
		.is_second = true,
		.by = { { .programs = { "handle_rss_stat" } },
			{ .name = "/proc",
			  .loss = { .text = "peaks between two samples of /proc are missed" } } },
	},
	[PROBE_FAULTS] = {
		.name = "page faults",
		.by = { { .programs = { "handle_page_fault" } } },
		.loss = { .text = "waits for a page do not name its file, and when constructors of "
				  "libraries begin is not seen" },
	},
	[PROBE_SOCKETS] = {
		.name = "socket states",
		.by = { { .programs = { "handle_inet_sock_set_state" } } },
		.loss = {
			.metrics = "net.connect[] net.reply[]",
			.text = "when connections were established or refused is not seen",
		},
	},
	[PROBE_LENGTHS] = {
		.name = "socket bytes",
		.is_second = true,
		.by = { { .programs = { "handle_sock_send_length", "handle_sock_recv_length" } },
			{ .programs = { "handle_sys_enter", "handle_sys_exit" },
			  .loss = { .metrics = "net.rx net.tx",
				    .text = "what io_uring sent and received is not counted",
				    .is_of_uring = true } } },
		.loss = {
			.metrics = "net.rx net.tx net.reply[]",
			.text = "bytes on sockets are not counted",
		},
		.since = "6.3",
	},
	[PROBE_URING_SUBMITTED] = {
		.name = "io_uring submissions",
		.is_second = true,
		.by = { { .programs = { "handle_submit_req" } },
			{ .programs = { "handle_submit_sqe" } } },
		.loss = {
			.metrics = "net.connects " OF_LISTENERS,
			.text = "what io_uring did is not seen: its connects and accepts are missing",
			.is_of_uring = true,
		},
	},
	[PROBE_URING_ARMED] = {
		.name = "io_uring polls",
		.is_second = true,
		.by = { { .programs = { "handle_poll_arm" } } },
		.loss = {
			.text = "waits of io_uring on registered descriptors are not seen",
			.is_of_uring = true,
		},
	},
	[PROBE_URING_COMPLETED] = {
		.name = "io_uring completions",
		.is_second = true,
		.by = { { .programs = { "handle_uring_complete" } } },
		.loss = {
			.metrics = "net.connects net.connect[] startup.first_accept",
			.text = "what io_uring did is not seen: its connects and accepts are missing",
			.is_of_uring = true,
		},
	},
	[PROBE_TASKS] = {
		.name = "walk over tasks",
		.by = { { .programs = { "handle_walk" } },
			{ .name = "/proc",
			  .loss = { .text = "threads that wait when the run ends or is ready are "
					    "not seen waiting" } } },
	},
	[PROBE_PLACES] = {
		.name = "names of wait places",
		.by = { { .programs = { "handle_walk" } },
			{ .name = "/proc/kallsyms", .works = kallsyms_is_readable } },
		.loss = {
			.causes = "kernel",
			.text = "waits that only their place in the kernel tells are unknown",
		},
	},
	[PROBE_PYTHON] = {
		.name = "frames of Python and Go",
		.is_second = true,
		.by = { { .programs = { "handle_timer" } } },
		.loss = {
			.metrics = "cpu.speed",
			.text = "the timer begins anew in each thread: those that live shorter than its "
				"period have no samples, Python's show the interpreter only, and many of "
				"Go's end in its runtime",
		},
	},
	[PROBE_GROUP] = {
		.name = "moves into the cgroup",
		.by = { { .programs = { "handle_cgroup_attach" } } },
		.loss = { .text = "processes that are moved into the cgroup are not followed" },
	},
	[PROBE_CONTAINERS] = {
		.name = "new cgroups of containers",
		.by = { { .programs = { "handle_cgroup_mkdir" } } },
		.loss = { .text = "what a container runtime starts is not followed" },
	},
	[PROBE_IMPORTS] = {
		.name = "imports",
		.is_second = true,
		.by = { { .programs = { "handle_import_begin", "handle_import_end" } } },
		.loss = { .text = "modules of Python are only seen by their files" },
	},
};

static size_t count_programs(const struct mechanism *m)
{
	size_t n = 0;
	while (n < PROBE_PROGRAMS && m->programs[n] != NULL)
		n++;
	return n;
}

static bool is_empty(const struct mechanism *m)
{
	return m->name == NULL && count_programs(m) == 0;
}

struct program *programs_find(struct programs *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->items[i].name, name) == 0)
			return &p->items[i];
	return NULL;
}

bool programs_place_imports(struct programs *p, const struct interpreter *i)
{
	struct program *begin = programs_find(p, "handle_import_begin");
	struct program *end = programs_find(p, "handle_import_end");
	if (begin == NULL || end == NULL || begin->n_places == SL_INTERPRETERS)
		return false;
	struct place place = {
		.path = i->path,
		.cookie = IMPORT_COOKIE(begin->n_places, i->name_offset),
		.link_fd = -1,
	};
	place.probe = i->begin;
	begin->places[begin->n_places++] = place;
	place.probe = i->end;
	end->places[end->n_places++] = place;
	p->has_imports = true;
	return true;
}

/* ---- choosing ---- */

/* What of @m this kernel does not have or has refused; NULL: nothing. */
static const struct program *refused(struct programs *p, const struct mechanism *m)
{
	for (size_t i = 0; i < count_programs(m); i++) {
		const struct program *program = programs_find(p, m->programs[i]);
		if (program != NULL && (!program->exists || program->error != 0))
			return program;
	}
	return NULL;
}

static bool works(struct programs *p, const struct mechanism *m, const struct program **ret_bad)
{
	const struct program *bad = refused(p, m);
	if (bad != NULL)
		*ret_bad = bad;
	return bad == NULL && (m->works == NULL || m->works());
}

static const struct mechanism *mechanism_of(const struct programs *p, enum probe probe)
{
	const struct mechanism *m = p->way[probe] < 0 ? NULL : &probe_rows[probe].by[p->way[probe]];
	return m != NULL && m->is_shim && !p->has_shim ? NULL : m;
}

static void want(struct programs *p, enum probe probe)
{
	const struct mechanism *m = mechanism_of(p, probe);
	for (size_t i = 0; m != NULL && i < count_programs(m); i++) {
		struct program *program = programs_find(p, m->programs[i]);
		if (program == NULL || program->is_wanted)
			continue;
		program->is_wanted = true;
		program->is_second = probe_rows[probe].is_second;
	}
}

int programs_choose(struct programs *p, const struct program **ret_program)
{
	for (size_t i = 0; i < p->n; i++)
		p->items[i].is_wanted = false;
	for (enum probe probe = 0; probe < PROBES; probe++) {
		const struct probe_row *row = &probe_rows[probe];
		const struct program *bad = NULL;
		int way = 0;
		if (!p->is_asked[probe])
			continue;
		while (!is_empty(&row->by[way]) && !works(p, &row->by[way], &bad))
			way++;
		p->way[probe] = is_empty(&row->by[way]) ? -1 : way;
		if (row->is_needed && p->way[probe] < 0) {
			*ret_program = bad;
			return bad != NULL && bad->error != 0 ? bad->error : -ENOTSUP;
		}
		want(p, probe);
	}
	return 0;
}

bool programs_have(const struct programs *p, enum probe probe)
{
	const struct mechanism *m = mechanism_of(p, probe);
	return m != NULL && count_programs(m) > 0;
}

/* ---- reports ---- */

static void add(char text[static PROBE_TEXT], const char *more)
{
	const size_t n = strlen(text);
	(void)snprintf(text + n, PROBE_TEXT - n, "%s%s", n > 0 ? ", " : "", more);
}

static void name_mechanism(struct programs *p, const struct mechanism *m,
			   char ret[static PROBE_TEXT])
{
	ret[0] = '\0';
	if (m->name != NULL)
		add(ret, m->name);
	for (size_t i = 0; m->name == NULL && i < count_programs(m); i++) {
		const struct program *program = programs_find(p, m->programs[i]);
		add(ret, program != NULL ? program->section : m->programs[i]);
	}
}

static void say_error(const struct program *program, char ret[static PROBE_TEXT])
{
	if (program == NULL)
		ret[0] = '\0';
	else
		(void)snprintf(ret, PROBE_TEXT, "%s: %s", program->section,
			       program->exists ? strerror(-program->error)
					       : "this kernel does not have it");
}

static void say_remedy(const struct probe_row *row, const struct program *program,
		       char ret[static PROBE_TEXT])
{
	if (program == NULL || program->exists)
		(void)snprintf(ret, PROBE_TEXT,
			       "let the kernel's policy for BPF allow it, or boot another kernel "
			       "(`startline run -vv` shows what this one said)");
	else
		(void)snprintf(ret, PROBE_TEXT, "boot a kernel that has it%s%s",
			       row->since != NULL ? ": Linux " : "",
			       row->since != NULL ? row->since : "");
}

static const struct loss *loss_of(const struct programs *p, enum probe probe)
{
	const struct mechanism *m = mechanism_of(p, probe);
	return m != NULL ? &m->loss : &probe_rows[probe].loss;
}

bool programs_depend_on_uring(const struct programs *p, enum probe probe)
{
	return loss_of(p, probe)->is_of_uring;
}

bool programs_report(struct programs *p, enum probe probe, bool used_uring,
		     struct probe_report *ret)
{
	const struct probe_row *row = &probe_rows[probe];
	const struct mechanism *m = mechanism_of(p, probe);
	const struct loss *loss = loss_of(p, probe);
	const struct program *bad = p->way[probe] == 0 ? NULL : refused(p, &row->by[0]);
	if (!p->is_asked[probe] || (probe == PROBE_IMPORTS && !p->has_imports))
		return false;
	*ret = (struct probe_report){ .name = row->name };
	if (m != NULL)
		name_mechanism(p, m, ret->used);
	say_error(bad, ret->error);
	if (loss->is_of_uring && !used_uring)
		return true;
	ret->metrics = loss->metrics;
	ret->causes = loss->causes;
	ret->lost = loss->text;
	if (loss->text != NULL)
		say_remedy(row, bad, ret->remedy);
	return true;
}
