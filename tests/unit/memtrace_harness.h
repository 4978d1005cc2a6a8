/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one function under the oracle and under the translator, each in a child of its
 * own that starts from the same memory, and compares records, registers and memory.
 */
#ifndef MEMTRACE_HARNESS_H
#define MEMTRACE_HARNESS_H

#include <errno.h>
#include <sys/wait.h>

#include "memtrace_oracle.h"

#include "base/alloc.h"
#include "base/err.h"
#include "memtrace/engine.h"
#include "store/mem_expand.h"

#define HARNESS_STACK  (1 << 18)
#define HARNESS_DATA   (1 << 16)
#define HARNESS_TABLES 200000

struct harness_result { /* of the translator's run, shared */
	struct engine_stop stop;
	uint8_t data[HARNESS_DATA];
};

static uint8_t harness_data[HARNESS_DATA] __attribute__((aligned(4096))); /* for the code */
static uint8_t harness_stack[HARNESS_STACK] __attribute__((aligned(4096)));
static uint8_t *harness_oracle_data; /* shared: what the oracle's run left */
static struct harness_result *harness;
static struct chop_mem_record *harness_records; /* of the translator */
static size_t harness_count;
static struct mem_tables harness_tables;

void harness_return(void);
__asm__(".text\n.globl harness_return\nharness_return: ud2\n");

static inline void *harness_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static inline void harness_setup(void)
{
	struct mem_tables *t = &harness_tables;

	oracle = harness_shared(sizeof(*oracle));
	harness = harness_shared(sizeof(*harness));
	harness_oracle_data = harness_shared(HARNESS_DATA);
	harness_records = xmalloc(ORACLE_RECORDS * sizeof(*harness_records));
	t->max_insns = t->max_ops = t->max_blocks = HARNESS_TABLES;
	t->insns = harness_shared(HARNESS_TABLES * sizeof(*t->insns));
	t->ops = harness_shared(HARNESS_TABLES * sizeof(*t->ops));
	t->blocks = harness_shared(HARNESS_TABLES * sizeof(*t->blocks));
}

static inline void harness_start(struct chop_regs *regs, void (*code)(void), uint64_t argument)
{
	uint64_t *sp = (uint64_t *)(harness_stack + HARNESS_STACK - 4096 - 8);

	memset(regs, 0, sizeof(*regs));
	*sp = (uintptr_t)harness_return;
	regs->rip = (uintptr_t)code;
	regs->rsp = (uintptr_t)sp;
	regs->rdi = argument;
	regs->rsi = (uintptr_t)harness_data;
	regs->eflags = 0x202;
	syscall(SYS_arch_prctl, ARCH_GET_FS, &regs->fs_base);
	syscall(SYS_arch_prctl, ARCH_GET_GS, &regs->gs_base);
}

static inline void harness_expand(const uint64_t *words, const struct ring_chunk *facts,
				  const struct mem_machine *machine)
{
	const uint64_t *end = words + facts->words;
	struct mem_context context = { facts->fs_base, facts->gs_base, machine };
	const struct mem_tables *t = &harness_tables;

	while (words < end && harness_count + MEM_INSN_MAX < ORACLE_RECORDS) {
		const struct mem_block *block = &t->blocks[*words];
		uint64_t slots[MEM_SLOT_MAX + 1];
		unsigned int op = 0;

		memcpy(slots, words, block->nslots * 8UL);
		slots[0] = 0;
		for (unsigned int i = 0; i < block->ninsns; i++) {
			const struct mem_insn *insn = &t->insns[block->insn0 + i];
			struct chop_mem_record record = { .ip = insn->ip,
							  .address = insn->ip,
							  .size = insn->length,
							  .kind = CHOP_MEM_FETCH };

			harness_records[harness_count++] = record;
			for (; op < block->nops && t->ops[block->op0 + op].insn == i; op++) {
				uint64_t position = 0;

				while (mem_op_next(&context, &t->ops[block->op0 + op], slots,
						   &position, &record) &&
				       harness_count < ORACLE_RECORDS)
					harness_records[harness_count++] = record;
			}
		}
		words += block->nslots;
	}
}

static inline void harness_child(void (*code)(void), uint64_t argument, struct ring *ring)
{
	const uint64_t ends[] = { (uintptr_t)harness_return };
	struct engine_config config = {
		.ring = ring, .tables = &harness_tables, .ends = ends, .nends = 1
	};
	static uint8_t xstate[16384] __attribute__((aligned(64))); /* as after exec */
	struct chop_regs regs;
	struct engine *engine;

	harness_tables.ninsns = harness_tables.nops = harness_tables.nblocks = 0;
	harness_tables.nslots = 0;
	if (engine_create(&config, &engine)) {
		print_error("%s\n", err_message());
		_exit(1);
	}
	harness_start(&regs, code, argument);
	*(uint16_t *)xstate = 0x37f;
	*(uint32_t *)(xstate + 24) = 0x1f80;
	engine_run(engine, &regs, xstate, sizeof(xstate), &harness->stop);
	memcpy(harness->data, harness_data, HARNESS_DATA);
	_exit(mem_tables_valid(&harness_tables, 0, 0, 1) ? 0 : 2);
}

static inline void harness_translate(void (*code)(void), uint64_t argument, size_t chunk)
{
	struct ring *ring = ring_create(chunk);
	const struct ring_chunk *facts;
	struct mem_machine machine;
	const uint64_t *words;
	pid_t child = fork();
	int status = 0, more;

	if (!child)
		harness_child(code, argument, ring);
	engine_machine(&machine);
	harness_count = 0;
	while ((more = ring_next(ring, &words, &facts, 100)) != 0) {
		if (more == 1) {
			harness_expand(words, facts, &machine);
			ring_release(ring);
		} else if (waitpid(child, &status, WNOHANG) == child) {
			child = 0;
			break;
		}
	}
	if (child)
		waitpid(child, &status, 0);
	ring_free(ring);
	assert_int_equal(status, 0);
}

static inline void harness_step(void (*code)(void), uint64_t argument)
{
	pid_t child;
	int status;

	oracle->count = 0;
	oracle->full = oracle->failed = false;
	child = fork();
	if (!child) {
		struct chop_regs regs;

		harness_start(&regs, code, argument);
		oracle_run(&regs, (uintptr_t)harness_return);
		memcpy(harness_oracle_data, harness_data, HARNESS_DATA);
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

static inline void harness_show(const char *who, const struct chop_mem_record *r)
{
	print_error("%s: ip %#lx kind %d address %#lx size %u\n", who, r->ip, r->kind, r->address,
		    r->size);
}

static inline void harness_compare(void)
{
	size_t count = harness_count < oracle->count ? harness_count : oracle->count;

	if (oracle->failed)
		print_error("oracle: %s\n", oracle->reason);
	assert_false(oracle->failed);
	assert_false(oracle->full);
	if (harness->stop.result != ENGINE_END)
		print_error("translator: %s\n", harness->stop.reason);
	for (size_t i = 0; i < count; i++) {
		if (!memcmp(&harness_records[i], &oracle->records[i], sizeof(*harness_records)))
			continue;
		print_error("record %zu of %zu and %zu\n", i, harness_count, oracle->count);
		for (size_t j = i < 3 ? 0 : i - 3; j <= i + 2 && j < count; j++) {
			harness_show("translator", &harness_records[j]);
			harness_show("oracle    ", &oracle->records[j]);
		}
		fail();
	}
	assert_int_equal(harness->stop.result, ENGINE_END);
	assert_int_equal(harness_count, oracle->count);
}

static inline void harness_compare_state(uint64_t flags)
{
	struct chop_regs a = harness->stop.regs, b = oracle->regs;

	a.eflags &= flags;
	b.eflags &= flags;
	b.fs_base = a.fs_base;
	b.gs_base = a.gs_base;
	for (unsigned int i = 0; i < sizeof(a) / 8; i++) {
		if (((uint64_t *)&a)[i] != ((uint64_t *)&b)[i])
			print_error("register %u: translator %#lx, oracle %#lx\n", i,
				    ((uint64_t *)&a)[i], ((uint64_t *)&b)[i]);
	}
	assert_memory_equal(&a, &b, sizeof(a));
	assert_memory_equal(harness->data, harness_oracle_data, HARNESS_DATA);
}

#endif
