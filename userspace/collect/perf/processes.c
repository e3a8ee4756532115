/* SPDX-License-Identifier: MIT */
/* See processes.h. */
#include "userspace/collect/perf/processes.h"

#include <string.h>

#include "userspace/base/units.h"

/* Once the main thread has ended the others may have a last snapshot to give, of a wait that was ended. No
 * other process has the number that soon. */
#define LAST_THREADS_NS NS_PER_S

struct mmap2 {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t address, length, offset;
	union {
		struct {
			uint32_t major, minor;
			uint64_t inode, generation;
		};
		struct {
			uint8_t build_id_size, reserved[3];
			uint8_t build_id[20];
		};
	};
	uint32_t protection, flags;
	char path[];
};

struct birth { /* FORK and EXIT */
	struct perf_event_header header;
	uint32_t pid, parent_pid, tid, parent_tid;
	uint64_t time_ns;
};

struct named { /* COMM */
	struct perf_event_header header;
	uint32_t pid, tid;
};

struct lost {
	struct perf_event_header header;
	uint64_t id, n;
};

static void take_mapping(struct processes *p, const struct mmap2 *m, uint64_t time_ns)
{
	if (m->header.size <= sizeof(*m))
		return;
	struct mapping mapping = {
		.address = m->address,
		.length = m->length,
		.offset = m->offset,
		.path = m->path,
	};
	struct file_identity *identity = &mapping.identity;
	if (m->header.misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
		identity->n_build_id =
			m->build_id_size <= sizeof(m->build_id) ? m->build_id_size : 0;
		memcpy(identity->build_id, m->build_id, identity->n_build_id);
	} else {
		identity->device_major = m->major;
		identity->device_minor = m->minor;
		identity->inode = m->inode;
	}
	/* What there is no room for shows as code that belongs to nothing known. */
	if (spaces_map(p->spaces, (pid_t)m->pid, time_ns, &mapping) < 0)
		return;
	const struct region *region = spaces_find(p->spaces, (pid_t)m->pid, time_ns, m->address);
	interpreters_mapped(p->interpreters, (pid_t)m->pid, region);
	if (p->exact != NULL && region != NULL)
		exact_add_module(p->exact, spaces_modules(p->spaces), region->module,
				 (pid_t)m->pid);
}

static void image_ended(struct processes *p, pid_t pid, uint64_t time_ns, enum sl_when when)
{
	if (p->exact != NULL)
		exact_image_ended(p->exact, pid, time_ns);
	if (p->sites != NULL)
		sites_image_ended(p->sites, pid, time_ns, when);
	if (p->map_sites != NULL)
		map_sites_image_ended(p->map_sites, pid);
}

static void take_exec(struct processes *p, pid_t pid, uint64_t time_ns)
{
	(void)spaces_exec(p->spaces, pid, time_ns);
	interpreters_gone(p->interpreters, pid);
	image_ended(p, pid, time_ns, SL_WHEN_EXEC);
}

static void take_fork(struct processes *p, const struct birth *birth, uint64_t time_ns)
{
	(void)spaces_fork(p->spaces, (pid_t)birth->pid, (pid_t)birth->parent_pid, time_ns);
	interpreters_forked(p->interpreters, (pid_t)birth->pid, (pid_t)birth->parent_pid);
}

static void take_exit(struct processes *p, pid_t pid, uint64_t time_ns)
{
	spaces_exit(p->spaces, pid, time_ns + LAST_THREADS_NS);
	interpreters_gone(p->interpreters, pid);
	image_ended(p, pid, time_ns, SL_WHEN_EXIT);
}

/* Whose mappings are followed: the command's, those of what it creates, and of what was sampled. */
static bool is_followed(const struct processes *p, pid_t pid)
{
	return !p->is_whole || spaces_have(p->spaces, pid);
}

void processes_take(struct processes *p, const struct perf_event_header *record, uint64_t time_ns)
{
	const struct birth *birth = (const struct birth *)record;
	/* MMAP2, COMM, FORK and EXIT all begin with it. */
	const pid_t pid = (pid_t)((const struct named *)record)->pid;
	switch (record->type) {
	case PERF_RECORD_MMAP2:
		if (is_followed(p, pid))
			take_mapping(p, (const struct mmap2 *)record, time_ns);
		break;
	case PERF_RECORD_COMM:
		if ((record->misc & PERF_RECORD_MISC_COMM_EXEC) && is_followed(p, pid))
			take_exec(p, pid, time_ns);
		break;
	case PERF_RECORD_FORK:
		if (birth->pid != birth->parent_pid && is_followed(p, (pid_t)birth->parent_pid))
			take_fork(p, birth, time_ns);
		break;
	case PERF_RECORD_EXIT:
		if (birth->pid == birth->tid && is_followed(p, pid))
			take_exit(p, pid, time_ns);
		break;
	case PERF_RECORD_LOST:
		p->n_lost += ((const struct lost *)record)->n;
		break;
	default:
		break;
	}
}
