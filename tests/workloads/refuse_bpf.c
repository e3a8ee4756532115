/* build: shared */
/* SPDX-License-Identifier: MIT */
/* Preloaded into startline, it is a kernel that refuses probes: REFUSE_BPF has words such as
 *
 *	load:handle_switch     the program of that name (as far as the kernel keeps it) does not load
 *	attach:handle_switch   … loads, and cannot be attached
 *	load:@tp_btf, attach:@iter …   all of a kind: tp_btf, raw_tp, iter, perf_event
 *	load:perf_event_open   no perf event is opened
 *
 * and a number is the errno of the words behind it; at first it is 1, EPERM. It takes itself out of
 * the environment, so that the measured program knows nothing of it. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS_MAX  64
#define NAME_BYTES (BPF_OBJ_NAME_LEN - 1)

static struct word {
	bool is_of_attaching;
	const char *name;
	int error;
} words[WORDS_MAX];
static size_t n_words;
static char *text;

static long (*real_syscall)(long number, ...);

__attribute__((constructor)) static void begin(void)
{
	const char *given = getenv("REFUSE_BPF");
	int error = EPERM;
	char *rest, *word;

	real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	rest = text = strdup(given ? given : "");
	while ((word = strsep(&rest, " ")) != NULL && n_words < WORDS_MAX) {
		const bool is_of_attaching = strncmp(word, "attach:", 7) == 0;
		if (atoi(word) > 0)
			error = atoi(word);
		else if (is_of_attaching || strncmp(word, "load:", 5) == 0)
			words[n_words++] =
				(struct word){ is_of_attaching, strchr(word, ':') + 1, error };
	}
	unsetenv("REFUSE_BPF");
	unsetenv("LD_PRELOAD");
}

static const char *kind_of(unsigned int type, unsigned int attach_type)
{
	if (type == BPF_PROG_TYPE_RAW_TRACEPOINT)
		return "@raw_tp";
	if (type == BPF_PROG_TYPE_PERF_EVENT)
		return "@perf_event";
	if (type != BPF_PROG_TYPE_TRACING)
		return "";
	return attach_type == BPF_TRACE_ITER ? "@iter" : "@tp_btf";
}

/* The errno; 0: nothing against it. */
static int refused(bool is_of_attaching, const char *name, const char *kind)
{
	for (size_t i = 0; i < n_words; i++) {
		const struct word *w = &words[i];
		if (w->is_of_attaching != is_of_attaching)
			continue;
		if (strcmp(w->name, kind) == 0 || strncmp(w->name, name, NAME_BYTES) == 0)
			return w->error;
	}
	return 0;
}

static int attaching(int program, const char *kind)
{
	struct bpf_prog_info info;
	union bpf_attr attr;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = program;
	attr.info.info_len = sizeof(info);
	attr.info.info = (unsigned long)&info;
	if (real_syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) < 0)
		return 0;
	if (kind == NULL)
		kind = kind_of(info.type, BPF_TRACE_RAW_TP);
	return refused(true, info.name, kind);
}

static int judge(long command, const union bpf_attr *attr)
{
	switch (command) {
	case BPF_PROG_LOAD:
		return refused(false, attr->prog_name,
			       kind_of(attr->prog_type, attr->expected_attach_type));
	case BPF_RAW_TRACEPOINT_OPEN:
		return attaching((int)attr->raw_tracepoint.prog_fd, NULL);
	case BPF_LINK_CREATE:
		return attaching((int)attr->link_create.prog_fd,
				 attr->link_create.attach_type == BPF_TRACE_ITER ? "@iter" : NULL);
	default:
		return 0;
	}
}

long syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	int error = 0;
	if (number == SYS_bpf)
		error = judge(a[0], (const union bpf_attr *)a[1]);
	if (number == SYS_perf_event_open)
		error = refused(false, "perf_event_open", "");
	if (error != 0) {
		errno = error;
		return -1;
	}
	return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
