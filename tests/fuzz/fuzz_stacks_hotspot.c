/* SPDX-License-Identifier: MIT */
/* A JVM's memory in which bytes were changed (pairs of a place and a value): whatever it says then, each look
 * at a frame takes a bounded number of readings, names are texts, and a caller is further up. */
#include "tests/fuzz/fuzzing.h"
#include "tests/lib/fake_jvm.h"
#include "userspace/stacks/hotspot_processes.h"

enum {
	PID = 1,
	STACK = 0x40000,
	STACK_WORDS = 64,
	READS_MAX = 12000, /* the longest way back through the map, and tables that do not end */
};

static struct fake_jvm jvm;
static uint64_t stack[STACK_WORDS];

static bool read_stack(const struct made_frame *frame, uint64_t at, uint64_t *ret)
{
	(void)frame;
	if (at < STACK || at % 8 != 0 || at - STACK >= sizeof(stack))
		return false;
	*ret = stack[(at - STACK) / 8];
	return true;
}

static void look(struct hotspot_processes *p, uint64_t address, uint64_t rbp, uint64_t time_ns)
{
	struct made_frame frame = {
		.pid = PID,
		.time_ns = time_ns,
		.address = address,
		.is_innermost = time_ns % 2 == 0,
		.knows_rbp = true,
		.rsp = STACK,
		.rbp = rbp,
		.word = read_stack,
	};
	jvm.n_reads = 0;
	hotspot_processes_look(p, &frame);
	const char *name = frame.name != 0 ? hotspot_process_name(p, frame.name) : NULL;
	if (jvm.n_reads > READS_MAX || (frame.name != 0 && (name == NULL || *name == '\0')))
		abort();
	for (const char *c = name; c != NULL && *c != '\0'; c++)
		if ((unsigned char)*c < ' ')
			abort();
	if (frame.has_caller && frame.caller_rsp <= STACK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hotspot_processes *p = hotspot_processes_new(NULL);
	if (size < 2 || p == NULL) {
		hotspot_processes_free(p);
		return 0;
	}
	fake_jvm_init(&jvm, data[0] % 2 == 0);
	const uint64_t interpreter = fake_jvm_blob(&jvm, 0, 40, "Interpreter", 0);
	const uint64_t method = fake_jvm_blob(&jvm, 40, 9, "nmethod", data[1]);
	for (size_t i = 0; i < STACK_WORDS; i++)
		stack[i] = i % 3 == 0 ? method + i : i % 3 == 1 ? STACK + 8 * i : JVM_METHOD;
	for (size_t i = 2; i + 3 <= size; i += 3)
		jvm.bytes[(data[i] | (size_t)data[i + 1] << 8) % JVM_BYTES] = data[i + 2];
	hotspot_processes_set_memory(p, PID, &fake_jvm_places,
				     (struct memory_reader){ fake_jvm_read, &jvm });
	for (uint64_t turn = 0; turn < 4; turn++) {
		/* Believed for a while, then looked at again. */
		const uint64_t now = turn * 150000001;
		look(p, interpreter + data[0], STACK + 8 * 22, now);
		look(p, method + data[1], STACK + 8 * 40, now);
		look(p, JVM_CODE + 256 * (uint64_t)data[0] % 0x8000, data[1], now);
		jvm.bytes[0x8000 + 40 * 128 + 16 + 12] ^= data[1];
	}
	hotspot_processes_free(p);
	return 0;
}
