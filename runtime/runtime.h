/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime of a snippet: freestanding code that maps the captured pages, enters the
 * region with its registers, notices the end and compares. No libc, no thread-local
 * storage, no allocation, no relocations; see mk/rules/runtime.mk and chop/snippet.h.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

/* Everything is in one image: without this the compiler goes through a GOT. */
#pragma GCC visibility push(hidden)

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <chop/snippet.h>
#include <chop/status.h>
#include <chop/syslog.h>

#define noreturn __attribute__((noreturn))

/* -- start.c ----------------------------------------------------------------------- */

struct options {
	bool quiet, friendly, cold, timed, help, show_output, dispatch;
	uint64_t iterations;
	uint64_t timeout_ns; /* 0: no watchdog */
};

enum phase { CHECKING, LOADING, RUNNING, JUDGING };

struct runtime {
	const struct snippet_header *header;
	struct options options;
	char name[64];	    /* of the program, for messages */
	int fd;		    /* our own file */
	enum phase phase;   /* what a signal means depends on it */
	bool unguarded;	    /* some gaps in hulls are readable */
	uint64_t next;	    /* free memory from header.work on */
	uint64_t hwcap2;    /* AT_HWCAP2 */
	uint64_t iteration; /* the running one, from 0 */
	uint64_t stepping;  /* end address whose displaced instruction is executing, or 0 */
	bool left;	    /* the first instruction has been executed, if it is an end */
	bool protects;	    /* the region changed protections: it may have closed pages */
	uint64_t passed;    /* end addresses passed because they were not the end yet */
	uint64_t reached;   /* end address the region stopped at */
};
extern struct runtime rt;

/* Linker script. */
extern const uint8_t runtime_base[], runtime_text_end[], runtime_bss[], snippet_front[];

noreturn void runtime_start(uint64_t *stack);
noreturn void exit_with(enum chop_status status);

/* Entries of a table, and how many. */
const void *table(enum snippet_table_id id, uint64_t *count);
/* A string of SNIPPET_STRINGS. */
const char *string_at(uint32_t offset);

/* Options of argv[1..]; exits after --help or with a message. */
void parse_options(int argc, char **argv);

/* -- system calls: negative errno on failure --------------------------------------- */

long sys_call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
long sys_write(int fd, const void *data, size_t size);
long sys_pread(int fd, void *data, size_t size, uint64_t offset);
long sys_mmap(uint64_t address, uint64_t length, uint32_t protection, uint32_t flags, int fd,
	      uint64_t offset);
long sys_mprotect(uint64_t address, uint64_t length, uint32_t protection);
uint64_t now_ns(void);

/* Read exactly size bytes of our own file; false when they are not there. */
bool read_self(void *data, size_t size, uint64_t offset);

/* -- print.c ----------------------------------------------------------------------- */

enum { STDOUT = 1, STDERR = 2 };

/*
 * One line. %s string, %u decimal, %x hex, %t nanoseconds as a time, %a an address with
 * its symbol; every argument is 64 bits wide. Returns 0 or the negative errno of write.
 */
int say(int fd, const char *fmt, ...);
/* "NAME: message" on stderr, and exit. */
noreturn void die(enum chop_status status, const char *fmt, ...);

/* -- check.c ----------------------------------------------------------------------- */

/* Header and tables, own code: checksums. Exit with status 2 when something is damaged. */
void check_file(void);
void check_code(void);
/* Resource limits against what the snippet maps; exits with status 5. */
void check_limits(void);

/* -- map.c ------------------------------------------------------------------------- */

/* Take everything else out of the address space and put the captured pages in. */
void make_room(void);
void map_pages(void);
/* Pages of shared memory that the program sees twice become one again. */
void map_aliases(void);
/* Memory of the runtime's own, page-aligned and zeroed; exits when there is none. */
void *take_memory(uint64_t size, const char *what);
/* First page of a gap in a hull that was touched although it was never captured, or 0. */
uint64_t touched_gap(void);
/* The run that holds an address, or NULL. */
const struct snippet_run *run_at(uint64_t address);
/* Whether a captured page lies in a range. */
bool run_near(uint64_t start, uint64_t size);

/* -- signal.c ---------------------------------------------------------------------- */

void install_handlers(void);
/* Called by arch_signal_entry, on the alternate stack. */
void runtime_signal(int signal, void *info, void *context);
void start_watchdog(void);
/* Exit because the region did not do what the original did, which was said. */
noreturn void diverged(void);
/* Make every system call outside the runtime a SIGSYS. */
void filter_calls(void);

/* -- replay.c: the region's system calls ----------------------------------------------- */

/* Check the log; exits when it is damaged. */
void prepare_calls(void);
/* After the last of our own: instructions that are in the log fault from now on. */
void trap_instructions(void);
/* Calls are in the log: without a filter they would be made for real. */
bool has_calls(void);
/* Begin the log again, and take away what its calls mapped. */
void rewind_calls(void);
/*
 * A system call of the region: give it the result and the memory of the recorded one. False
 * when it is not the recorded one, which was said.
 */
bool replay_call(uint64_t number, uint64_t ip, void *context, bool *last);
/* Compare memory that the region mapped: how many pieces differ (said). */
uint64_t compare_mapped(void);
/* Calls of the log that were not made (said), or 0. */
uint64_t missing_calls(void);
/* The next record, or NULL at the end; take_event() goes past it. */
const struct chop_event *peek_event(struct chop_event_parts *parts);
void take_event(void);
/* Not all that was recorded of the region has been replayed. */
bool calls_to_come(void);
/* Records taken until now. */
uint64_t replay_position(void);
/* Give memory what the kernel wrote. */
void apply_writes(const struct chop_event *event, const uint8_t *writes);
/* Make a memory call again at the recorded addresses; in replay_memory.c. */
void remap(const struct chop_event *event, const uint8_t *writes);
/* Other threads ran during the call, and may have mapped what they wrote to. */
void map_missing(const struct chop_event *event, uint64_t address, uint64_t size);
void undo_remaps(void);

/* -- replay_signal.c: its signal handlers ------------------------------------------------ */

/* The instruction at the context's pc faulted: true when the original did, which is replayed. */
bool replay_fault(int signal, void *context);
/* Enter or leave a handler as this record of CHOP_EVENT_SIGNAL did; diverges when elsewhere. */
void deliver(const struct chop_event *event, const struct chop_event_parts *parts, void *context);

/* -- verify.c ---------------------------------------------------------------------- */

/* Compare everything with the recorded end, say so and exit. */
noreturn void verify(const struct chop_regs *got, uint8_t *xstate, size_t xstate_size);
/*
 * Read the page images in the file again and compare them with their hashes: address of
 * the first damaged one, or UINT64_MAX.
 */
uint64_t damaged_image(uint64_t *count);
/* Name instructions whose results differ each time, if the region has any. */
void say_hints(int fd);

/* -- iterate.c --------------------------------------------------------------------- */

/* Allocate and fill what repeating needs; measure the overhead of entering and ending. */
void prepare_iterations(void);
/* Enter the region for the first time. */
noreturn void enter_region(void);
/* At a trap: was it the calibration's? Then it does not return. */
void calibration_trap(uint64_t pc);
/* At the end of an iteration: starts the next one unless it was the last. */
void next_iteration(void);
void say_times(void);

/* -- string.c ---------------------------------------------------------------------- */

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t length_of(const char *text);
bool same_text(const char *a, const char *b);

/* -- ARCH/: what depends on the architecture ---------------------------------------- */

/* The processor has what the region needs, or exit with status 5. */
void arch_check_cpu(void);
/* After everything is mapped, before the region: permissions. */
void arch_prepare(void);
/* Have the region's rdtsc or cpuid fault; ours as well: there are no times then. */
void arch_trap(bool tsc, bool cpuid);
extern bool arch_tsc_traps;
/* Give what a record of CHOP_EVENT_TSC or CHOP_EVENT_CPUID says; false: it is another one. */
bool arch_replay_trapped(const struct chop_event *event, void *context);
/* FS and GS, before each entry. */
void arch_restore_bases(void);
/* Load the entry registers, note the time, jump to target. */
noreturn void arch_enter(uint64_t target);
/* The address of a breakpoint in the runtime, to measure an empty region. */
uint64_t arch_calibration_target(void);
/* Time-stamp counter, after everything before has completed. */
uint64_t arch_time(void);
/* Time stamps: taken by arch_enter last thing, by arch_signal_entry first thing. */
extern uint64_t arch_time_begin, arch_time_end;

/* Kernel interfaces of signals. */
void arch_signal_entry(int signal, void *info, void *context);
void arch_restorer(void);

/* The state a signal interrupted. */
void arch_get_regs(const void *context, struct chop_regs *regs, uint64_t pc);
uint64_t arch_entry_sp(void);
uint64_t arch_entry_pc(void);
uint64_t arch_context_pc(const void *context);
uint64_t arch_context_sp(const void *context);
uint8_t *arch_context_xstate(const void *context, size_t *size);
void arch_set_pc(void *context, uint64_t pc);
/* The system call a SIGSYS interrupted: its arguments, and the result to go on with. */
void arch_get_args(const void *context, uint64_t args[6]);
void arch_set_result(void *context, int64_t result);
/* There is no code at this address: the kernel makes a call of going there, and returns. */
bool arch_is_emulated(uint64_t address);
/* Do that return. */
void arch_return(void *context);
/* Go on with these registers and this canonical extended state (0 bytes: as it is). */
void arch_set_state(void *context, const struct chop_regs *regs, const uint8_t *xstate,
		    uint64_t size);
/* Trap after one instruction; off also repairs what the instruction saw of it. */
void arch_step(void *context, bool on, const uint8_t *instruction);
/* How the faulting access was made: "read", "wrote" or "executed". */
const char *arch_access(const void *context);
/* The breakpoint a trap at pc is of: its address. */
uint64_t arch_breakpoint_at(uint64_t pc);

/* Whether all of what arch_compare_regs looks at is equal. */
bool arch_same_regs(const struct chop_regs *got, const struct chop_regs *want);
/* Say which general registers differ; returns how many. */
unsigned int arch_compare_regs(const struct chop_regs *got, const struct chop_regs *want);
/* The same for the extended state; `got` is brought into canonical form. */
unsigned int arch_compare_xstate(uint8_t *got, size_t size);

/* Evict a page from all caches. */
void arch_flush_page(uint64_t address);

#pragma GCC visibility pop
#endif
