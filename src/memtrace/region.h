/* SPDX-License-Identifier: Apache-2.0 */
/* The child's side of a traced region: pages, system calls, the judgement at the end. */
#ifndef MEMTRACE_REGION_H
#define MEMTRACE_REGION_H

#include <chop/mem_trace.h>

#include "memtrace/engine.h"
#include "store/capture.h"

#define REGION_TEXT	 480
#define REGION_MAPS_SIZE (1 << 20)

/* In memory shared with the parent. */
struct region_report {
	struct engine_stop stop;
	enum chop_mem_verified verified;
	bool started; /* the region's code ran */
	char text[REGION_TEXT];
	/* of live programs (live.h) */
	int live;	  /* enum live_state */
	int status;	  /* enum chop_status, when it could not be loaded */
	size_t maps_size; /* bytes of /proc/PID/maps at the end */
	char maps[REGION_MAPS_SIZE];
};

struct span {
	uint64_t start, end;
};
struct span_vec VEC_BODY(struct span);

/* A replay of the log: the next record, and what the log has mapped. */
struct region {
	const struct capture *capture;
	struct region_report *report;
	uint64_t offset;      /* of the next record in the log */
	uint64_t calls;	      /* made so far */
	bool left;	      /* the region has executed something */
	struct span_vec ours; /* our own memory, which calls spare */
};

/* Map the pages, run, judge: fills the report. The ring is finished in any case. */
void region_run(const struct capture *capture, struct ring *ring, struct mem_tables *tables,
		struct region_report *report);

/* calls.c: the engine's hook. */
enum engine_result region_system_call(void *context, struct chop_regs *regs);
/* judge.c: compare the state at the end with the recorded one. */
void region_judge(struct region *region, struct engine *engine);
/* Text of the report, printf style, unless there is one already. */
void region_say(struct region *region, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* layout.c: what this process has mapped, as "start end" pairs; sorted. */
int layout_read(void (*each)(void *context, uint64_t start, uint64_t end, const char *name),
		void *context);
/* Whether anything is mapped there. */
bool layout_holds(uint64_t address);
/* The same of what can be executed and not written. */
int layout_read_code(void (*each)(void *context, uint64_t start, uint64_t end, const char *name),
		     void *context);

#endif
