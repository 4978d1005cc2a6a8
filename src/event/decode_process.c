// SPDX-License-Identifier: Apache-2.0
/* Processes: making them, running programs, waiting, limits, priorities. */
#include <linux/sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "event/decode_print.h"

/* -- clone ----------------------------------------------------------------------------------- */

static void clone_flags(struct decode *d, uint64_t flags)
{
	uint64_t names = flags & ~(uint64_t)CSIGNAL;
	int sig = (int)(flags & CSIGNAL);

	if (names)
		dec_names(d, &call_names_clone, names);
	if (names && sig)
		dec_text(d, "|");
	if (sig)
		dec_signal(d, sig);
	else if (!names)
		dec_text(d, "0");
}

static void named_arg(struct decode *d, const char *name)
{
	dec_arg_begin(d, name);
	dec_text(d, name);
	dec_text(d, "=");
}

static bool clone_waits(uint64_t flags)
{
	return flags & (CLONE_PARENT_SETTID | CLONE_PIDFD | CLONE_CHILD_SETTID |
			CLONE_CHILD_CLEARTID | CLONE_SETTLS);
}

static void clone_enter(struct decode *d)
{
	named_arg(d, "child_stack");
	dec_address(d, dec_arg(d, 1));
	dec_arg_end(d);
	named_arg(d, "flags");
	clone_flags(d, dec_arg(d, 0));
	dec_arg_end(d);
	/* The rest is told when the call returns, if there is any. */
	d->call->next = clone_waits(dec_arg(d, 0)) ? 2 : d->call->shape.arg_count;
}

static void parent_tid(struct decode *d)
{
	int tid;

	named_arg(d, "parent_tid");
	if (dec_failed(d))
		dec_address(d, dec_arg(d, 2));
	else if (dec_read_or_address(d, dec_arg(d, 2), &tid, sizeof(tid)))
		dec_printf(d, "[%d]", tid);
	dec_arg_end(d);
}

static void clone_exit(struct decode *d)
{
	uint64_t flags = dec_arg(d, 0);

	if (flags & (CLONE_PARENT_SETTID | CLONE_PIDFD))
		parent_tid(d);
	if (flags & CLONE_SETTLS) {
		named_arg(d, "tls");
		dec_hex(d, dec_arg(d, 4));
		dec_arg_end(d);
	}
	if (flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)) {
		named_arg(d, "child_tidptr");
		dec_hex(d, dec_arg(d, 3));
		dec_arg_end(d);
	}
}

static void clone3_fields(struct decode *d, const struct clone_args *a, size_t size)
{
	static const struct {
		uint64_t flags;
		const char *name;
		size_t offset;
	} pointers[] = {
		{ CLONE_PIDFD, ", pidfd=", offsetof(struct clone_args, pidfd) },
		{ CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
		  ", child_tid=", offsetof(struct clone_args, child_tid) },
		{ CLONE_PARENT_SETTID, ", parent_tid=", offsetof(struct clone_args, parent_tid) },
	};

	dec_text(d, "{flags=");
	dec_names(d, &call_names_clone_args_flags, a->flags);
	for (size_t i = 0; i < ARRAY_SIZE(pointers); i++) {
		if (!(a->flags & pointers[i].flags))
			continue;
		dec_text(d, pointers[i].name);
		dec_address(d, DEC_GET(uint64_t, (const char *)a, pointers[i].offset));
	}
	dec_text(d, ", exit_signal=");
	if (a->exit_signal <= 64)
		dec_signal(d, (int)a->exit_signal);
	else
		dec_unsigned(d, a->exit_signal);
	dec_text(d, ", stack=");
	dec_address(d, a->stack);
	dec_text(d, ", stack_size=");
	dec_hex(d, a->stack_size);
	if (a->flags & CLONE_SETTLS) {
		dec_text(d, ", tls=");
		dec_hex(d, a->tls);
	}
	if (size >= 80 && (a->set_tid || a->set_tid_size)) {
		dec_text(d, ", set_tid=");
		if (!a->set_tid || !a->set_tid_size || a->set_tid_size > 32)
			dec_address(d, a->set_tid);
		else
			dec_array(d, call_type_find("int"), a->set_tid, a->set_tid_size);
		dec_printf(d, ", set_tid_size=%llu", (unsigned long long)a->set_tid_size);
	}
	if (size >= 88 && (a->flags & CLONE_INTO_CGROUP || a->cgroup)) {
		dec_text(d, ", cgroup=");
		dec_unsigned(d, a->cgroup);
	}
	dec_text(d, "}");
}

static bool clone3_read(struct decode *d, struct clone_args *a)
{
	uint64_t size = dec_arg(d, 1);

	memset(a, 0, sizeof(*a));
	return size >= 64 && dec_read(d, dec_arg(d, 0), a, size < sizeof(*a) ? size : sizeof(*a));
}

static bool clone3_told_later(const struct clone_args *a)
{
	return a->flags & (CLONE_PIDFD | CLONE_PARENT_SETTID);
}

static void clone3_enter(struct decode *d)
{
	struct clone_args a;

	dec_arg_begin(d, "cl_args");
	if (!clone3_read(d, &a)) {
		dec_address(d, dec_arg(d, 0));
		dec_arg_end(d);
		dec_skip(d);
		dec_rest(d);
		return;
	}
	clone3_fields(d, &a, dec_arg(d, 1));
	if (clone3_told_later(&a)) {
		d->call->saved = 1;
		d->call->next = d->call->shape.arg_count;
		return;
	}
	dec_arg_end(d);
	dec_skip(d);
	dec_rest(d);
}

static void clone3_result(struct decode *d, const struct clone_args *a)
{
	int value;
	const char *separator = " => {";

	if ((a->flags & CLONE_PIDFD) && dec_read(d, a->pidfd, &value, 4)) {
		dec_printf(d, "%spidfd=[", separator);
		dec_fd(d, value);
		dec_text(d, "]");
		separator = ", ";
	}
	if ((a->flags & CLONE_PARENT_SETTID) && dec_read(d, a->parent_tid, &value, 4)) {
		dec_printf(d, "%sparent_tid=[%d]", separator, value);
		separator = ", ";
	}
	if (!strcmp(separator, ", "))
		dec_text(d, "}");
}

static void clone3_exit(struct decode *d)
{
	struct clone_args a;

	if (!d->call->saved)
		return;
	if (!dec_failed(d) && clone3_read(d, &a))
		clone3_result(d, &a);
	dec_arg_end(d);
	d->call->next = 1;
	dec_rest(d);
}

/* -- execve ---------------------------------------------------------------------------------- */

/* The environment is only counted, unless all is wanted. */
static void environment(struct decode *d, uint64_t address)
{
	uint64_t text, at = address;
	unsigned int count = 0;

	dec_arg_begin(d, "envp");
	dec_address(d, address);
	while (address && dec_read(d, at, &text, 8)) {
		if (!text) {
			dec_printf(d, " /* %u var%s */", count, count == 1 ? "" : "s");
			break;
		}
		count++;
		at += 8;
	}
	if (address && at == address && !dec_read(d, at, &text, 8))
		dec_text(d, "");
	dec_arg_end(d);
	dec_skip(d);
}

static void execve_enter(struct decode *d)
{
	while (strcmp(d->call->shape.args[d->call->next].name, "envp"))
		dec_next(d);
	if (d->options->verbose)
		dec_next(d);
	else
		environment(d, dec_arg(d, d->call->next));
	dec_rest(d);
}

/* -- wait ------------------------------------------------------------------------------------ */

static void stop_status(struct decode *d, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	dec_text(d, "{WIFSTOPPED(s) && WSTOPSIG(s) == ");
	dec_signal(d, sig & 0x7f);
	if (sig & 0x80)
		dec_text(d, " | 0x80");
	dec_text(d, "}");
	if (event) {
		static const char *const events[] = { NULL,   "FORK",	    "VFORK", "CLONE",
						      "EXEC", "VFORK_DONE", "EXIT",  "SECCOMP" };

		if ((size_t)event < ARRAY_SIZE(events) && events[event])
			dec_printf(d, " | PTRACE_EVENT_%s<<16", events[event]);
		else if (event == PTRACE_EVENT_STOP)
			dec_text(d, " | PTRACE_EVENT_STOP<<16");
		else
			dec_printf(d, " | %#x", event << 16);
	}
}

static void wstatus_item(struct decode *d, const uint8_t *data)
{
	int status = DEC_GET(int, data, 0);

	dec_text(d, "[");
	if (WIFEXITED(status)) {
		dec_printf(d, "{WIFEXITED(s) && WEXITSTATUS(s) == %d}", WEXITSTATUS(status));
	} else if (WIFCONTINUED(status)) {
		dec_text(d, "{WIFCONTINUED(s)}");
	} else if (WIFSTOPPED(status)) {
		stop_status(d, status);
	} else {
		dec_text(d, "{WIFSIGNALED(s) && WTERMSIG(s) == ");
		dec_signal(d, WTERMSIG(status));
		dec_text(d, WCOREDUMP(status) ? " && WCOREDUMP(s)}" : "}");
	}
	dec_text(d, "]");
}

/* -- limits and priorities ------------------------------------------------------------------- */

static void rlim_item(struct decode *d, const uint8_t *data)
{
	uint64_t value = DEC_GET(uint64_t, data, 0);

	if (value == UINT64_MAX)
		dec_text(d, "RLIM64_INFINITY");
	else if (value > 1024 && value % 1024 == 0)
		dec_printf(d, "%llu*1024", (unsigned long long)value / 1024);
	else
		dec_unsigned(d, value);
}

struct kernel_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

static void sched_attr_memory(struct decode *d, uint64_t address, uint64_t count)
{
	struct kernel_sched_attr a = { 0 };
	bool out = d->call->shape.arg_count == 4;
	uint64_t size;

	if (!dec_read(d, address, &a.size, 4) || (out && count < 48)) {
		dec_address(d, address);
		return;
	}
	size = out && count < a.size ? count : a.size;
	if (size < 48) {
		dec_printf(d, "{size=%u}", a.size);
		return;
	}
	if (!dec_read_or_address(d, address, &a, size < sizeof(a) ? size : sizeof(a)))
		return;
	dec_printf(d, "{size=%u, sched_policy=", a.size);
	dec_names(d, &call_names_sched, a.policy);
	dec_text(d, ", sched_flags=");
	dec_names(d, &call_names_sched_attr, a.flags);
	dec_printf(d, ", sched_nice=%d, sched_priority=%u, sched_runtime=%llu", a.nice, a.priority,
		   (unsigned long long)a.runtime);
	dec_printf(d, ", sched_deadline=%llu, sched_period=%llu", (unsigned long long)a.deadline,
		   (unsigned long long)a.period);
	if (size >= 56)
		dec_printf(d, ", sched_util_min=%u, sched_util_max=%u", a.util_min, a.util_max);
	dec_text(d, size > 56 ? ", ...}" : "}");
}

static void result_name(struct decode *d, const struct call_names *names)
{
	struct decode note = *d;

	dec_rest(d);
	note.out = &d->call->note;
	if (!dec_failed(d))
		dec_names(&note, names, (uint64_t)d->call->call.result);
}

static void getscheduler_exit(struct decode *d)
{
	result_name(d, &call_names_sched);
}

static void personality_enter(struct decode *d)
{
	/* All ones only asks. */
	if ((uint32_t)dec_arg(d, 0) != UINT32_MAX) {
		dec_rest(d);
		return;
	}
	dec_arg_begin(d, "persona");
	dec_text(d, "0xffffffff");
	dec_arg_end(d);
	dec_skip(d);
}

static void personality_exit(struct decode *d)
{
	d->call->shape.result = call_type_find("x64");
	result_name(d, &call_names_personality);
}

static const struct dec_type types[] = {
	{ "wstatus", wstatus_item, NULL },
	{ "rlim", rlim_item, NULL },
	{ "sched_attr", NULL, sched_attr_memory },
	{ NULL, NULL, NULL },
};

static const struct dec_call calls[] = {
	{ "clone", clone_enter, clone_exit },
	{ "clone3", clone3_enter, clone3_exit },
	{ "execve", execve_enter, NULL },
	{ "execveat", execve_enter, NULL },
	{ "sched_getscheduler", NULL, getscheduler_exit },
	{ "personality", personality_enter, personality_exit },
	{ NULL, NULL, NULL },
};

const struct dec_family dec_process = { types, calls };
