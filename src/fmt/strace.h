/* SPDX-License-Identifier: Apache-2.0 */
/* System calls as lines, exactly as strace 6.1 prints them. */
#ifndef FMT_STRACE_H
#define FMT_STRACE_H

#include "event/track.h"
#include "fmt/text_out.h"

enum strace_time { STRACE_NO_TIME, STRACE_SECONDS, STRACE_MICROSECONDS, STRACE_EPOCH };

struct strace_options {
	enum strace_time time; /* -t, -tt, -ttt */
	bool relative;	       /* -r */
	bool durations;	       /* -T */
	bool numbers;	       /* -n */
	bool whole;	       /* never "<unfinished ...>": a call is shown when it has returned */
	bool quiet;	       /* no lines for exits and attachments */
	unsigned int column;   /* -a: where results stand */
	enum { STRACE_PID_NEVER, STRACE_PID_SEVERAL, STRACE_PID_ALWAYS } pid;
	int64_t clock_offset; /* CLOCK_REALTIME - CLOCK_MONOTONIC, ns */
};

struct strace_writer {
	struct strace_options options;
	struct decode_options decode;
	struct track *track; /* to know how many there are */
	struct text_out *to;
	size_t line;			 /* where the line that is not ended begins */
	const struct track_thread *open; /* the thread whose line is not ended, or NULL */
	struct map ended;		 /* threads whose exit has been shown with "= ?" */
	struct map began;  /* thread -> what had passed when its call began, if `whole` */
	uint64_t previous; /* time of the previous line */
	/* Local time of day is worked out once a second. */
	int64_t day_second;
	char day_text[16];
};

/* A track_writer. */
int strace_step(void *context, const struct track_step *step);
/* Write out what is there; 0 or -errno with a message recorded. */
int strace_flush(struct strace_writer *writer);
void strace_release(struct strace_writer *writer);

#endif
