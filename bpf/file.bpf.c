/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Files: which were opened, and which could not be; and what the program prints, if somebody
 * waits for a line of it. */
#include "bpf/common.bpf.h"

#include <asm/unistd_64.h>

#define O_WRONLY 01
#define O_CREAT	 0100
#define O_TRUNC	 01000

#define PATH_BYTES   4096 /* the kernel's own limit, NUL included */
#define OUTPUT_BYTES 4096 /* of one write, the last so many */
#define PIECES_MAX   16	  /* of one writev */

#define RESTARTED 512 /* results from -512 on mean that a signal came: the call begins anew */

/* ---- opens ---- */

/* The path is read now and not when the call began: its page is there for certain, since the
 * kernel has just read it. */
static __noinline int open_exit(struct task_state *ts, __u64 path, __u32 flags, long result)
{
	struct scratch *scratch = sl_scratch_take();
	struct sl_open *open;
	long length;

	if (!scratch) {
		sl_number(NULL, true, SL_KIND_OPEN);
		return 0;
	}
	open = (struct sl_open *)scratch->bytes;
	sl_fill(&open->event, SL_KIND_OPEN, sizeof(*open), bpf_ktime_get_ns(),
		bpf_get_current_pid_tgid());
	open->enter_ns = ts ? ts->enter_ns : 0;
	open->result = result;
	open->flags = flags;
	length = bpf_probe_read_user_str(scratch->bytes + sizeof(*open), PATH_BYTES, (void *)path);
	if (length <= 0) { /* not a path: the call failed with -EFAULT */
		scratch->bytes[sizeof(*open)] = 0;
		length = 1;
	}
	if (length > PATH_BYTES) /* for the verifier */
		length = PATH_BYTES;
	sl_output(&open->event, sizeof(*open) + length, false);
	sl_scratch_give(scratch);
	return 0;
}

/* struct open_how begins with the flags. */
static __always_inline __u32 flags_of_how(__u64 how)
{
	__u64 flags = 0;

	bpf_probe_read_user(&flags, sizeof(flags), (void *)how);
	return flags;
}

/* ---- output ----
 *
 * What goes to descriptors 1 and 2 of any process, and what goes where these led when the command
 * began: daemons keep a duplicate and put /dev/null in their place. startline has both open, too, so
 * the addresses stay theirs. */

__u64 output_files[2] = { 0 };

__noinline int output_note_files(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	output_files[0] = (__u64)file_of_fd(task, 1);
	output_files[1] = (__u64)file_of_fd(task, 2);
	return 0;
}

static __always_inline bool is_output(__s32 fd)
{
	__u64 file;

	if (fd == 1 || fd == 2)
		return true;
	file = (__u64)file_of_fd(bpf_get_current_task_btf(), fd);
	return file && (file == output_files[0] || file == output_files[1]);
}

/* @length bytes at @from went to @fd. */
int output_piece(__u64 from, __u64 length, __s32 fd);
__noinline int output_piece(__u64 from, __u64 length, __s32 fd)
{
	struct scratch *scratch = sl_scratch_take();
	struct sl_output *output;
	__u32 kept = OUTPUT_BYTES;

	if (!scratch) {
		sl_number(NULL, true, SL_KIND_OUTPUT);
		return 0;
	}
	output = (struct sl_output *)scratch->bytes;
	sl_fill(&output->event, SL_KIND_OUTPUT, sizeof(*output), bpf_ktime_get_ns(),
		bpf_get_current_pid_tgid());
	if (length > OUTPUT_BYTES) {
		output->event.flags |= SL_FLAG_CUT;
		from += length - OUTPUT_BYTES;
	} else {
		kept = length;
	}
	if (!bpf_probe_read_user(scratch->bytes + sizeof(*output), kept, (void *)from)) {
		output->fd = fd;
		output->length = kept;
		sl_output(&output->event, sizeof(*output) + kept, true);
	}
	sl_scratch_give(scratch);
	return 0;
}

static __always_inline int write_exit(const struct task_state *ts, long result)
{
	return output_piece(ts->args[1], result, ts->args[0]);
}

struct pieces {
	__u64 pointer, count;
	__u64 left; /* bytes */
	__s32 fd;
};

static long writev_piece(void *map, const __u32 *turn, void *value, struct pieces *pieces)
{
	struct {
		__u64 base, length;
	} piece;

	if (*turn >= PIECES_MAX || *turn >= pieces->count || !pieces->left ||
	    bpf_probe_read_user(&piece, sizeof(piece),
				(void *)(pieces->pointer + *turn * sizeof(piece))))
		return 1;
	if (piece.length > pieces->left)
		piece.length = pieces->left;
	pieces->left -= piece.length;
	if (piece.length)
		output_piece(piece.base, piece.length, pieces->fd);
	return 0;
}

static __always_inline int writev_exit(const struct task_state *ts, long result)
{
	struct pieces pieces = {
		.pointer = ts->args[1],
		.count = ts->args[2],
		.left = result,
		.fd = ts->args[0],
	};

	bpf_for_each_map_elem(&turns, writev_piece, &pieces, 0);
	return 0;
}

/* ---- dispatch ---- */

__noinline int file_exit(struct task_state *ts, long result)
{
	if (!ts || (result <= -RESTARTED && result > -RESTARTED - 8))
		return 0;
	switch (ts->nr) {
	case __NR_open:
		return open_exit(ts, ts->args[0], ts->args[1], result);
	case __NR_openat:
		return open_exit(ts, ts->args[1], ts->args[2], result);
	case __NR_openat2:
		return open_exit(ts, ts->args[1], flags_of_how(ts->args[2]), result);
	case __NR_creat:
		return open_exit(ts, ts->args[0], O_CREAT | O_WRONLY | O_TRUNC, result);
	default:
		break;
	}
	if (!want_output || is_ready || result <= 0 || !is_output(ts->args[0]))
		return 0;
	if (ts->nr == __NR_write)
		return write_exit(ts, result);
	return ts->nr == __NR_writev ? writev_exit(ts, result) : 0;
}
