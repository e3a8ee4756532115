/* SPDX-License-Identifier: MIT */
/* What only a connection can tell: whether a program that waits edge-triggered would accept one.
 * trace/listeners.h says what follows from the answer. */

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/collect/ready/own_connection.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/run.h"

#define SEGMENTS_MAX 64u
/* Go's own reader (debug/buildinfo) looks so far into the first writable segment. */
#define MARK_REACH (64u * 1024)
#define NOTES_MAX  4096u

/* ---- runtimes, by what their linkers put into each program ----
 *
 * A library of such a runtime inside another program is not found, and need not be: a connection tells
 * about it as about any other. */

static const struct {
	const char *name;
	const char *note; /* owner of a note of type `note_type` */
	uint32_t note_type;
	const char *mark; /* at 16-byte alignment, near the beginning of the writable data */
} runtimes[] = {
	/* netFD.accept calls accept4 first and parks on EAGAIN. The build id may have been left out,
	 * the build information not. */
	{ "Go", "Go", 4, "\xff Go buildinf:" },
};
#define N_RUNTIMES (sizeof(runtimes) / sizeof(runtimes[0]))

static size_t read_segment(int fd, const Elf64_Phdr *segment, char *bytes, size_t size)
{
	const size_t wanted = segment->p_filesz < size ? (size_t)segment->p_filesz : size;
	const ssize_t n = pread(fd, bytes, wanted, (off_t)segment->p_offset);
	return n > 0 ? (size_t)n : 0;
}

static const char *by_note(int fd, const Elf64_Phdr *segment)
{
	_Alignas(Elf64_Nhdr) char bytes[NOTES_MAX];
	const size_t n = read_segment(fd, segment, bytes, sizeof(bytes));
	for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= n;) {
		Elf64_Nhdr note;
		memcpy(&note, bytes + at, sizeof(note));
		at += sizeof(note);
		const size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		const size_t rest = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		for (size_t i = 0; i < N_RUNTIMES && name <= n - at; i++) {
			const size_t length = strlen(runtimes[i].note) + 1;
			if (note.n_type == runtimes[i].note_type && note.n_namesz >= length &&
			    memcmp(bytes + at, runtimes[i].note, length) == 0)
				return runtimes[i].name;
		}
		if (name > n - at || rest > n - at - name)
			break;
		at += name + rest;
	}
	return NULL;
}

static const char *by_mark(int fd, const Elf64_Phdr *segment)
{
	static char bytes[MARK_REACH];
	const size_t n = read_segment(fd, segment, bytes, sizeof(bytes));
	for (size_t i = 0; i < N_RUNTIMES; i++) {
		const size_t length = strlen(runtimes[i].mark);
		for (size_t at = 0; at + length <= n; at += 16) {
			if (memcmp(bytes + at, runtimes[i].mark, length) == 0)
				return runtimes[i].name;
		}
	}
	return NULL;
}

static const char *runtime_of(int fd)
{
	Elf64_Ehdr header;
	bool has_data = false;
	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr))
		return NULL;
	for (size_t i = 0; i < header.e_phnum && i < SEGMENTS_MAX; i++) {
		Elf64_Phdr segment;
		const char *name = NULL;
		if (pread(fd, &segment, sizeof(segment),
			  (off_t)(header.e_phoff + i * sizeof(segment))) !=
		    (ssize_t)sizeof(segment))
			return NULL;
		if (segment.p_type == PT_NOTE)
			name = by_note(fd, &segment);
		else if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0 && !has_data)
			name = by_mark(fd, &segment);
		has_data |= segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0;
		if (name != NULL)
			return name;
	}
	return NULL;
}

/* Whether the program of @pid always tries to accept before it waits for a connection, so that no wait
 * says anything: its runtime's name; NULL: none that is known. */
static const char *runtime_that_tries_first(pid_t pid)
{
	char path[32];
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	_cleanup_close_ const int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? NULL : runtime_of(fd);
}

/* ---- the question ---- */

uint64_t run_confirm_deadline(const struct run *r)
{
	return r->watch != NULL && !r->is_ready ? ready_watch_question_due(r->watch) : 0;
}

/* Who waits, by a number that /proc knows here. */
static pid_t waiter_of(const struct run *r, const struct listening *s)
{
	const bool is_ours = !r->tree.use_ns_pids && (s->edge.flags & SL_FLAG_NS_IDS) == 0;
	return is_ours ? (pid_t)s->edge.pid : r->target.pid;
}

/* Why it is not to be connected to; NULL: it may be. */
static const char *forbidden(struct run *r, pid_t pid)
{
	if (r->spec->no_connect)
		return "edge-triggered, unconfirmed, since --no-connect forbids to try it";
	const char *runtime = runtime_that_tries_first(pid);
	if (runtime == NULL)
		return NULL;
	(void)snprintf(r->waived_why, sizeof(r->waived_why),
		       "%s tries to accept before it waits, and has not yet", runtime);
	return r->waived_why;
}

static int emit_probed(const struct run *r, uint64_t listener, uint64_t at_ns, int n_running,
		       const struct sl_addr *end)
{
	const struct sl_net probed = {
		.event = emit_header(SL_KIND_NET, sizeof(probed), at_ns,
				     r->tree.use_ns_pids ? 0 : getpid()),
		.enter_ns = at_ns,
		.other = listener,
		.op = SL_NET_PROBED,
		.fd = -1,
		.result = n_running,
		.addr = *end,
	};
	return collector_sink(r->c).event(r->c, &probed.event);
}

/* Who sleeps now, and since when, must be known before anybody is woken, as far as it can be. */
static int look(struct run *r)
{
	if (r->c->bpf != NULL)
		(void)source_bpf_snapshot(r->c->bpf, SL_WHEN_PROBED);
	return collector_drain(r->c);
}

static int ask(struct run *r, uint64_t listener, struct own_connection *connection)
{
	if (r->c->bpf != NULL)
		source_bpf_own_end(r->c->bpf, &connection->end);
	int e = look(r);
	const struct listening *still = ready_watch_question(r->watch);
	if (e < 0 || still == NULL || still->sock != listener)
		return e;
	const int n_running = source_proc_running(connection->pid);
	const uint64_t at_ns = now_ns();
	e = own_connection_make(connection);
	return e < 0 ? e : emit_probed(r, listener, at_ns, n_running, &connection->end);
}

int run_confirm(struct run *r, uint64_t now)
{
	const uint64_t due_ns = run_confirm_deadline(r);
	if (due_ns == 0 || now < due_ns)
		return 0;
	const struct listening *s = ready_watch_question(r->watch);
	const uint64_t listener = s->sock;
	const pid_t pid = waiter_of(r, s);
	const char *why = forbidden(r, pid);
	if (why != NULL) {
		ready_watch_waive(r->watch, listener, why);
		return 0;
	}
	struct own_connection connection;
	int e = own_connection_open(&connection, &s->addr, pid);
	if (e >= 0)
		e = ask(r, listener, &connection);
	own_connection_done(&connection);
	if (e >= 0)
		return 0;
	(void)snprintf(r->waived_why, sizeof(r->waived_why),
		       "edge-triggered, unconfirmed, since startline cannot connect to it: %s",
		       strerror(-e));
	ready_watch_waive(r->watch, listener, r->waived_why);
	return 0;
}
