/* SPDX-License-Identifier: Apache-2.0 */
/* The child's side of a traced region: pages, system calls, the judgement at the end. */
#ifndef MEMTRACE_REGION_H
#define MEMTRACE_REGION_H

#include <chop/mem_trace.h>
#include <chop/syslog.h>

#include "memtrace/engine.h"
#include "store/capture.h"

#define REGION_TEXT	 480
#define REGION_MAPS_SIZE (1 << 20)

/* In memory shared with the parent. */
struct region_report {
	struct engine_stop stop;
	enum chop_mem_verified verified;
	bool started;	   /* the region's code ran */
	uint64_t begin_ns; /* CLOCK_MONOTONIC when it began */
	uint64_t cpu_ns;   /* CPU time it took, translated, until its end */
	char text[REGION_TEXT];
	/* of live programs (live.h) */
	int live;		 /* enum live_state */
	int status;		 /* enum chop_status, when it could not be loaded */
	size_t maps_size;	 /* bytes of /proc/PID/maps at the end */
	uint64_t heap, heap_end; /* brk: anonymous memory, as the kernel sees it */
	char maps[REGION_MAPS_SIZE];
};

struct span {
	uint64_t start, end;
};
struct span_vec VEC_BODY(struct span);

/* A replay of the log: the next record, and what the log has mapped. */
/* Code read ahead, for the block that is being translated. */
struct code_ahead {
	uint32_t block; /* how many there were */
	uint64_t address;
	size_t size;
	uint8_t bytes[256];
};

struct region {
	const struct capture *capture;
	const struct mem_tables *tables;
	struct code_ahead ahead;
	struct region_report *report;
	struct engine *engine;
	struct ring *ring;
	uint64_t offset; /* of the next record in the log */
	uint64_t calls;	 /* records of calls, signals and the like taken so far */
	/* a signal that an instruction caused, to be looked up when the code is at rest */
	volatile int signal;
	volatile uint64_t fault_address;
	bool left;		 /* the region has executed something */
	struct span_vec ours;	 /* our own memory, which calls spare */
	struct span_vec planned; /* what calls of the log will map */
};

/* Map the pages, run, judge: fills the report. The ring is finished in any case. */
void region_run(const struct capture *capture, struct ring *ring, struct mem_tables *tables,
		struct region_report *report);

/* shared.c: let pages that are the same memory be so; their contents are mapped already. */
int region_map_shared(const struct capture *capture);

/* planned.c: where the log maps memory; end of each a page further on at least. */
void region_plan(const struct capture *capture, struct span_vec *planned);

/* calls.c: the engine's hook. */
enum engine_result region_system_call(void *context, struct chop_regs *regs);
/* The next record of the log, or NULL; it remains the next until it is taken. */
const struct chop_event *region_next_event(const struct region *region,
					   struct chop_event_parts *parts);
void region_take_event(struct region *region);
void region_apply_writes(struct region *region, const struct chop_event *event,
			 const uint8_t *writes);
bool region_same_inputs(const struct chop_event *event, const struct chop_event_range *inputs);

/* region_signal.c: enter or leave a handler as this record, the next one, says. */
enum engine_result region_deliver(struct region *region, struct chop_regs *regs);
/* The engine's hooks. */
enum engine_result region_parked(void *context, struct chop_regs *regs);
enum engine_result region_refused(void *context, struct chop_regs *regs);
enum engine_result region_trapped(void *context, struct chop_regs *regs);
void region_fault(void *context, int signal, siginfo_t *info, void *frame);
/* Whether there are records of a kind (enum chop_event_kind) in the log. */
bool region_has(const struct capture *capture, unsigned int kind);

/* Name of the first register a program can tell to be different, or NULL. */
const char *region_other_register(struct chop_regs got, struct chop_regs want, uint64_t *a,
				  uint64_t *b);
/* judge.c: compare the state at the end with the recorded one. */
void region_judge(struct region *region, struct engine *engine);
/* Text of the report, printf style, unless there is one already. */
void region_say(struct region *region, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* layout.c: what this process has mapped, as "start end" pairs; sorted. */
int layout_read(void (*each)(void *context, uint64_t start, uint64_t end, const char *name),
		void *context);
/* Whether anything is mapped there. */
bool layout_holds(uint64_t address);
/* The same of what can be executed and not written, by nobody. */
int layout_read_code(void (*each)(void *context, uint64_t start, uint64_t end, const char *name),
		     void *context);
/* The same of all that can be executed. */
int layout_read_executable(void (*each)(void *context, uint64_t start, uint64_t end,
					const char *name),
			   void *context);
/* The same of what can be executed and written, by this process alone. */
int layout_read_changing(void (*each)(void *context, uint64_t start, uint64_t end,
				      const char *name),
			 void *context);
/* The byte that the file mapped at `address` has there; false: no file is mapped. */
bool layout_file_byte(uint64_t address, uint8_t *byte);

#endif
