/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that depends on the architecture, implemented in src/arch/ARCH/.
 * Instruction decoding (Zydis) may also be used directly by elf/ and memtrace/.
 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <chop/arch.h>
#include <chop/xstate.h>

/* -- general registers: src/arch/x86_64/regs.c ------------------------------------- */

uint64_t arch_pc(const struct chop_regs *regs);
uint64_t arch_sp(const struct chop_regs *regs);
void arch_set_pc(struct chop_regs *regs, uint64_t pc);
/* The n-th register's name and value as 64 bits; NULL past the last one. */
const char *arch_reg(const struct chop_regs *regs, unsigned int n, uint64_t *value);
/* Set the n-th register. */
void arch_set_reg(struct chop_regs *regs, unsigned int n, uint64_t value);
/* Registers of a program before anything is known of it: selectors and flags are usual. */
void arch_usual_regs(struct chop_regs *regs);

/*
 * The general registers by their numbers in DWARF, from 0 on, the pc where frames have their
 * return address; values has room for ARCH_DWARF_REGS. How many.
 */
#define ARCH_DWARF_REGS 17
unsigned int arch_dwarf_regs(const struct chop_regs *regs, uint64_t *values);
/* From the kernel's struct pt_regs, as BPF programs see it: what is not there is 0. */
void arch_regs_of_kernel(struct chop_regs *regs, const void *pt_regs, size_t size);

/* The call registers are in at a system-call stop. */
struct arch_call {
	long number;
	uint64_t args[6];
	int64_t result;
};
void arch_get_call(const struct chop_regs *regs, struct arch_call *call);
/* Another result, at its exit stop. */
void arch_set_result(struct chop_regs *regs, int64_t result);
/* Name of a system call, or NULL when the table does not know the number. */
const char *arch_call_name(long number);
/* Address of the system-call instruction of a call at its entry or exit stop. */
uint64_t arch_call_pc(const struct chop_regs *regs);
/* Set at an entry stop: the kernel skips the call (its result is -ENOSYS). */
void arch_cancel_call(struct chop_regs *regs);
/* Where the call, 0 to 5, has its argument. */
uint64_t *arch_call_argument(struct chop_regs *regs, unsigned int index);
/*
 * From the registers of an entry stop, those with which the thread makes the same call
 * again when it goes on from anywhere.
 */
void arch_rewind_call(struct chop_regs *regs);
/*
 * Registers of a thread that was stopped inside a call the kernel wants to restart:
 * do what the kernel would have done on the way out, so that the thread can go on from
 * a stop that is not a signal stop. Others stay as they are.
 */
void arch_restart_call(struct chop_regs *regs);

/*
 * A few calls fail with EINTR when the thread is merely stopped (signal(7), "interruption of
 * system calls by stop signals"): change the result to one that has the kernel make the call
 * again unless a handler is run. False when the registers are not of such a call.
 */
bool arch_resume_call(struct chop_regs *regs);

/* The breakpoint instruction, and how far past its address the pc is when it traps. */
extern const uint8_t arch_breakpoint[];
extern const size_t arch_breakpoint_size;
extern const size_t arch_breakpoint_advance;

/* A jump to itself. */
#define ARCH_WAIT_HERE_MAX 8
extern const uint8_t arch_wait_here[];
extern const size_t arch_wait_here_size;

/* Return address of the activation whose first instruction is next: where it is stored. */
uint64_t arch_return_slot(const struct chop_regs *regs);
/*
 * Stack pointer above which an activation is over, from the registers at its first
 * instruction: the return to its caller is taken with sp beyond this value.
 */
uint64_t arch_frame_floor(const struct chop_regs *regs);
/* The n-th integer argument (0 to 5) of a function whose first instruction is next. */
uint64_t arch_argument(const struct chop_regs *regs, unsigned int n);

/* Words of a jmp_buf to look at; address of what glibc obscures pointers in it with. */
#define ARCH_JUMP_WORDS 8
uint64_t arch_pointer_guard(const struct chop_regs *regs);
/*
 * Where a longjmp goes to, and its stack pointer there: as glibc stores them (obscured) or, if
 * that makes no sense for a thread at `now`, as musl does (plain).
 */
void arch_jump_target(const uint64_t buffer[ARCH_JUMP_WORDS], uint64_t guard, uint64_t now,
		      uint64_t *pc, uint64_t *sp);

/* Thread pointer: where the C library keeps what belongs to the thread. */
uint64_t arch_thread_pointer(const struct chop_regs *regs);
/* Value a function returned, from the registers at its return address. */
uint64_t arch_return_value(const struct chop_regs *regs);

/*
 * Do without executing it what the instruction at `pc` does, when it is one of the few
 * that functions begin with. A word to store in memory is handed back.
 */
struct arch_store {
	bool used;
	uint64_t address, value;
};
bool arch_emulate(struct chop_regs *regs, const uint8_t *code, size_t size,
		  struct arch_store *store);
/* The instruction can be interrupted in its middle, the pc still at it (rep movs). */
bool arch_repeats(const uint8_t *code, size_t size);
/*
 * The instruction at the pc was stopped by a page fault at an address: whether it wanted to
 * write there.
 */
bool arch_writes(const struct chop_regs *regs, const uint8_t *code, size_t size, uint64_t address);
/* The instruction is a system call: it must not be stepped with signals blocked. */
bool arch_is_call(const uint8_t *code, size_t size);

/* -- code that runs inside a traced program: src/arch/x86_64/runner.S ---------------- */

/* The bytes of the system-call instruction, to be found in any code of the program. */
extern const uint8_t arch_call_instruction[];
extern const size_t arch_call_instruction_size;

/*
 * The table runner, position independent: makes the calls of a table of arch_entry one
 * after another, then sends SIGSTOP to its own thread and waits. Without a tracer the
 * program is then merely stopped: it must never end in a breakpoint instruction.
 */
extern const uint8_t arch_runner[];
extern const size_t arch_runner_size;

struct arch_entry {
	int32_t number;	  /* of the system call; ARCH_ENTRY_END ends the table */
	uint32_t skip;	  /* entries passed over when this call fails */
	uint64_t args[6]; /* of the end: process id, thread id */
	int64_t result;
};
#define ARCH_ENTRY_END (-1)
_Static_assert(sizeof(struct arch_entry) == 64, "the runner steps by 64 bytes");

/* Registers for running a table at address `table` with the runner at `runner`. */
void arch_run_table(struct chop_regs *regs, uint64_t runner, uint64_t table);
/* The thread has come to the end of the table and its SIGSTOP. */
bool arch_table_ended(const struct chop_regs *regs, uint64_t runner, uint64_t end_entry);
/* Registers for one system call at the instruction `pc`. */
void arch_set_call(struct chop_regs *regs, uint64_t pc, const struct arch_entry *call);
/*
 * Registers for calling a function without arguments: it returns into the runner at
 * arch_runner_return, which stores its result in the entry at `table` and goes on with
 * the next one. The return address is to be stored at the new stack pointer.
 */
extern const size_t arch_runner_return;
void arch_set_function(struct chop_regs *regs, uint64_t function, uint64_t table);
/* The first two arguments of a function that is called. */
void arch_set_arguments(struct chop_regs *regs, uint64_t first, uint64_t second);

/* -- signal handlers: src/arch/x86_64/signal_frame.c ----------------------------------- */

/* What the kernel has put into memory for a handler, to be read again when it returns. */
struct arch_signal_frame {
	uint64_t address, size; /* bytes, the extended state included */
	uint64_t pc, result;	/* where the program goes on, its result register there */
};
/* Reads memory of the program: 0, or anything else when it cannot. */
typedef int arch_read_fn(void *context, uint64_t address, void *data, size_t size);

/* Where the frame is: from a handler's registers at its first instruction, ... */
uint64_t arch_handler_frame(const struct chop_regs *regs);
/* ... and from those at the entry of rt_sigreturn. */
uint64_t arch_return_frame(const struct chop_regs *regs);
/*
 * The least address the kernel could write for a handler that begins with this stack pointer:
 * that of the interrupted code, or the end of the alternate stack. `bytes`: most that the
 * kernel says a frame takes (AT_MINSIGSTKSZ); 0 when it does not say.
 */
uint64_t arch_frame_lowest(uint64_t sp, uint64_t bytes);
/* Where the siginfo_t is, from a handler's registers at its first instruction. */
uint64_t arch_handler_info(const struct chop_regs *regs);
/* 0, or -1 when it cannot be read. */
int arch_signal_frame(uint64_t address, arch_read_fn *read, void *context,
		      struct arch_signal_frame *frame);
/* At a signal stop: the signal is delivered on the way out of a system call. */
bool arch_in_call(const struct chop_regs *regs);
/* Registers of that stop as the handler's frame has them: a call may be made again. */
void arch_set_interrupted(struct chop_regs *regs, const struct arch_signal_frame *frame);

/* -- instructions made to fault: src/arch/x86_64/trapped.c ----------------------------- */

enum arch_trapped {
	ARCH_TRAPPED_NONE,
	ARCH_TRAPPED_TSC,     /* the time-stamp counter */
	ARCH_TRAPPED_TSC_AUX, /* the same and the processor's number */
	ARCH_TRAPPED_CPUID,   /* what the processor can do */
};
enum arch_trapped arch_trapped_instruction(const uint8_t *code, size_t size);
/* A record of chop/syslog.h. */
struct chop_event;
/* Execute it here for somebody with these registers: kind, ip, arguments, result of a record. */
void arch_do_trapped(enum arch_trapped what, struct chop_regs *regs, struct chop_event *event);
/*
 * What the record says it gave, for somebody who is about to execute the instruction at
 * regs->rip. False: it is not the record of this one, or its operands are others.
 */
bool arch_redo_trapped(enum arch_trapped what, const struct chop_event *event,
		       struct chop_regs *regs);
/* Calls that make a thread's own fault (SIGSEGV with SI_KERNEL), or not any more. */
struct arch_entry arch_trap_tsc(bool on);
struct arch_entry arch_trap_cpuid(bool on);
/*
 * Take out of what cpuid just gave for a leaf and subleaf the instructions whose results no
 * replay repeats (random numbers, transactions, timed waits, ...), as if this processor did not
 * have them.
 */
void arch_hide_unrepeatable(uint32_t leaf, uint32_t subleaf, struct chop_regs *regs);
/* What this leaf says is not the same on every processor of a machine. */
bool arch_cpuid_is_local(uint32_t leaf);

/* -- calls the kernel emulates: src/arch/x86_64/emulated.c ------------------------------ */

/*
 * The system call that is made by going to this address, where there is no code (the vsyscall
 * page); -1 for all others, always where there is no such page.
 */
long arch_emulated_call(uint64_t address);
/* From registers behind one of them, those of an entry stop: their arch_call_pc is the address. */
void arch_emulated_entry(struct chop_regs *regs, uint64_t address);
/* At one of them: what the return does, to the address on the stack. False elsewhere. */
bool arch_emulated_return(struct chop_regs *regs, uint64_t return_address);
/* Whether these bytes of a program have such an address in them. */
bool arch_names_emulated(const uint8_t *bytes, size_t size);

/* -- vdso: src/arch/x86_64/vdso.c ---------------------------------------------------- */

/*
 * Code that makes the real system call instead of the vdso function of that name:
 * returns its size in bytes, 0 when the name is none of them.
 */
#define ARCH_VDSO_CODE_MAX 16
size_t arch_vdso_call(const char *name, uint8_t code[ARCH_VDSO_CODE_MAX]);

/*
 * Pages of data an instruction may have to have at once (each operand can lie across two);
 * 0 when it cannot be decoded. src/arch/x86_64/pages.c
 */
unsigned int arch_pages_needed(const uint8_t *code, size_t size);

/* The time stamp counter: what the pager stamps its records with (src/arch/x86_64/clock.c). */
uint64_t arch_clock(void);

/* What this CPU can do (enum chop_cpu_word): src/arch/x86_64/cpu.c. */
void arch_cpu(uint32_t words[CHOP_CPU_WORDS]);
/*
 * Names of the glibc-hwcaps directories that the dynamic linker looks into on this CPU,
 * best first, NULL-terminated: "x86-64-v3", ... (ld.so(8)).
 */
const char *const *arch_library_levels(void);

/* Note type (NT_X86_XSTATE) under which ptrace hands out a thread's extended state. */
extern const int arch_xstate_note;

/* -- extended state: src/arch/x86_64/xstate.c --------------------------------------- */

#define ARCH_XSTATE_COMPONENTS 32

/* Where the components of an NT_X86_XSTATE image lie, beyond x87 and SSE. */
struct arch_xstate_layout {
	uint64_t features; /* XCR0 of the machine it comes from */
	struct chop_xstate_component components[ARCH_XSTATE_COMPONENTS];
	size_t count;
};

/*
 * Find the layout of an image: this machine's or a known one, whichever fits the image's
 * size and XCR0. The image may end before the last component: what is missing is in its
 * initial state. 0, or -1 when the image is too short to be one.
 */
int arch_xstate_layout(const uint8_t *image, size_t size, struct arch_xstate_layout *layout);

/*
 * Rewrite an NT_X86_XSTATE image (standard format) into one canonical form: components
 * whose XSTATE_BV bit is clear get their architectural initial value, bytes that are not
 * architectural are zeroed, and XSTATE_BV names the components whose value is not the
 * initial one, so that two images of equal state are equal byte for byte. In place; size
 * in bytes. A second time changes nothing.
 */
void arch_xstate_canonical(uint8_t *xstate, size_t size);

/*
 * Where two canonical images differ: the register's name ("ymm3", "k1", "x87 control")
 * and the offset of the first differing byte in the image; NULL when they are equal. The
 * name is valid until the thread's next call.
 */
const char *arch_xstate_difference(const uint8_t *a, const uint8_t *b, size_t size, size_t *offset);

/* A register of the extended state, as wide as the machine of the image has it. */
struct arch_wide_reg {
	char name[8];	   /* "ZMM3", "YMM3", "XMM3", "K1", "ST0", "MXCSR", "FCW", "FSW" */
	uint8_t bytes[64]; /* least significant byte first */
	size_t size;	   /* of `bytes` */
};

/* The n-th register of a canonical image; false past the last one. */
bool arch_wide_reg(const uint8_t *xstate, size_t size, unsigned int n, struct arch_wide_reg *reg);
/* Set the register of that name; false when the image has none. */
bool arch_set_wide_reg(uint8_t *xstate, size_t size, const struct arch_wide_reg *reg);
/*
 * An image of the initial state, for vector registers of 16, 32 or 64 bytes. Returns its size
 * in bytes.
 */
size_t arch_xstate_blank(uint8_t image[CHOP_XSTATE_MAX], size_t vector_size);

/*
 * How much of an image a core file should have: the rest is zero, in components that
 * common debuggers do not know and whose presence they complain about.
 */
size_t arch_xstate_core_size(const uint8_t *xstate, size_t size);

/* -- what code needs of a processor: src/arch/x86_64/isa.c ---------------------------- */

struct arch_feature {
	const char *name;	/* as in /proc/cpuinfo; static */
	uint32_t leaf, subleaf; /* the CPUID bit that says so */
	uint8_t reg, bit;	/* 0 eax, 1 ebx, 2 ecx, 3 edx */
};

#define ARCH_ISA_HINTS 16

/* An instruction whose result differs each time. */
struct arch_isa_hint {
	uint64_t address;
	const char *name; /* mnemonic; static */
};

struct arch_isa {
	uint64_t features; /* private: arch_isa_feature() lists them */
	uint64_t xcr0;	   /* components of the extended state its instructions work on */
	bool saves_xstate; /* it saves the extended state itself: the layout is visible to it */
	struct arch_isa_hint hints[ARCH_ISA_HINTS];
	size_t hint_count;
};

/* Code to look at. */
struct arch_code {
	const uint8_t *(*page)(void *context, uint64_t address); /* contents, or NULL */
	bool (*is_code)(void *context, uint64_t address);	 /* in an executable page */
	void *context;
	const uint32_t *cpu; /* of the machine it ran on: CHOP_CPU_WORDS, may be zeros */
};

/*
 * Find what code needs beyond plain x86-64, by following it through branches, calls and GOT
 * entries from starts[0], where it begins, and from the other starts and addresses taken in
 * the code, where it may go (only the former counts for hints and saves_xstate). Of `pages`
 * (page addresses of code known to be used) that are not reached so, everything counts.
 * Features the machine did not have do not.
 */
void arch_isa_scan(const struct arch_code *code, const uint64_t *starts, size_t start_count,
		   const uint64_t *pages, size_t page_count, struct arch_isa *out);
/* The n-th feature, from 0; false past the last. */
bool arch_isa_feature(const struct arch_isa *isa, unsigned int n, struct arch_feature *feature);

#endif
