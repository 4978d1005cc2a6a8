// SPDX-License-Identifier: Apache-2.0
/* Signals: sets, actions, and what a signal tells of itself. */
#include <signal.h>
#include <string.h>
#include <linux/audit.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "event/decode_print.h"

/* [INT CHLD], or ~[KILL STOP] when most are in it. */
static void signal_set(struct decode *d, uint64_t set)
{
	bool invert = __builtin_popcountll(set) >= 64 * 2 / 3;
	const char *separator = "";

	dec_text(d, invert ? "~[" : "[");
	for (int sig = 1; sig <= 64; sig++) {
		bool member = set >> (sig - 1) & 1;

		if (member == invert)
			continue;
		dec_text(d, separator);
		dec_text(d, call_name_of(&call_names_sig, (uint64_t)sig) + 3);
		separator = " ";
	}
	dec_text(d, "]");
}

static void sigset_memory(struct decode *d, uint64_t address, uint64_t size)
{
	uint64_t set;

	if (size != sizeof(set))
		dec_address(d, address);
	else if (dec_read_or_address(d, address, &set, sizeof(set)))
		signal_set(d, set);
}

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

static void sigaction_item(struct decode *d, const uint8_t *data)
{
	static const char *const known[] = { "SIG_DFL", "SIG_IGN" };
	struct kernel_sigaction action;

	memcpy(&action, data, sizeof(action));
	dec_text(d, "{sa_handler=");
	if (action.handler < ARRAY_SIZE(known))
		dec_text(d, known[action.handler]);
	else if (action.handler == UINT64_MAX)
		dec_text(d, "SIG_ERR");
	else
		dec_hex(d, action.handler);
	dec_text(d, ", sa_mask=");
	signal_set(d, action.mask);
	dec_text(d, ", sa_flags=");
	dec_names(d, &call_names_sa_flags, action.flags);
	if (action.flags & 0x4000000 /* SA_RESTORER */) {
		dec_text(d, ", sa_restorer=");
		dec_address(d, action.restorer);
	}
	dec_text(d, "}");
}

/* -- siginfo ----------------------------------------------------------------------------- */

static const struct call_names *codes_of(int sig)
{
	switch (sig) {
	case SIGILL:
		return &call_names_si_ill;
	case SIGFPE:
		return &call_names_si_fpe;
	case SIGSEGV:
		return &call_names_si_segv;
	case SIGBUS:
		return &call_names_si_bus;
	case SIGTRAP:
		return &call_names_si_trap;
	case SIGCHLD:
		return &call_names_si_cld;
	case SIGIO:
		return &call_names_si_poll;
	case SIGSYS:
		return &call_names_si_sys;
	default:
		return NULL;
	}
}

static void code_name(struct decode *d, int sig, int code)
{
	const char *name = call_name_of(&call_names_si_code, (uint32_t)code);

	if (!name && codes_of(sig))
		name = call_name_of(codes_of(sig), (uint64_t)(unsigned int)code);
	if (name)
		dec_text(d, name);
	else
		dec_hex(d, (uint32_t)code);
}

static void sender(struct decode *d, const siginfo_t *info)
{
	dec_printf(d, ", si_pid=%d, si_uid=", info->si_pid);
	dec_id(d, info->si_uid);
}

static void signal_value(struct decode *d, const siginfo_t *info)
{
	dec_printf(d, ", si_int=%d, si_ptr=", info->si_int);
	dec_address(d, (uint64_t)(uintptr_t)info->si_ptr);
}

static void clock_ticks(struct decode *d, const char *name, long ticks)
{
	dec_printf(d, ", %s=%lld", name, (long long)ticks);
	if (ticks)
		dec_printf(d, " /* %.2f s */", (double)ticks / (double)sysconf(_SC_CLK_TCK));
}

static void child_fields(struct decode *d, const siginfo_t *info)
{
	sender(d, info);
	dec_text(d, ", si_status=");
	if (info->si_code == CLD_EXITED)
		dec_signed(d, info->si_status);
	else
		dec_signal(d, info->si_status);
	clock_ticks(d, "si_utime", info->si_utime);
	clock_ticks(d, "si_stime", info->si_stime);
}

static void fault_fields(struct decode *d, const siginfo_t *info)
{
	dec_text(d, ", si_addr=");
	dec_address(d, (uint64_t)(uintptr_t)info->si_addr);
	if (info->si_signo == SIGSEGV && info->si_code == SEGV_BNDERR) {
		dec_text(d, ", si_lower=");
		dec_address(d, (uint64_t)(uintptr_t)info->si_lower);
		dec_text(d, ", si_upper=");
		dec_address(d, (uint64_t)(uintptr_t)info->si_upper);
	} else if (info->si_signo == SIGSEGV && info->si_code == SEGV_PKUERR) {
		dec_printf(d, ", si_pkey=%u", info->si_pkey);
	} else if (info->si_signo == SIGBUS &&
		   (info->si_code == BUS_MCEERR_AR || info->si_code == BUS_MCEERR_AO)) {
		dec_printf(d, ", si_addr_lsb=%#x", info->si_addr_lsb);
	}
}

static void seccomp_fields(struct decode *d, const siginfo_t *info)
{
	const char *name = arch_call_name(info->si_syscall);

	dec_text(d, ", si_call_addr=");
	dec_address(d, (uint64_t)(uintptr_t)info->si_call_addr);
	if (name)
		dec_printf(d, ", si_syscall=__NR_%s", name);
	else
		dec_printf(d, ", si_syscall=%u", (unsigned int)info->si_syscall);
	dec_text(d,
		 info->si_arch == AUDIT_ARCH_X86_64 ? ", si_arch=AUDIT_ARCH_X86_64" : ", si_arch=");
	if (info->si_arch != AUDIT_ARCH_X86_64)
		dec_hex(d, info->si_arch);
}

/* Signals whose number and positive code say what the union holds. */
static bool by_signal(struct decode *d, const siginfo_t *info)
{
	const struct call_names *codes = codes_of(info->si_signo);
	bool fault = info->si_signo == SIGILL || info->si_signo == SIGFPE ||
		     info->si_signo == SIGSEGV || info->si_signo == SIGBUS ||
		     info->si_signo == SIGTRAP;

	if (info->si_code == SI_KERNEL && fault) {
		fault_fields(d, info);
		return true;
	}
	if (!codes || !call_name_of(codes, (uint64_t)(unsigned int)info->si_code))
		return false;
	if (info->si_signo == SIGCHLD)
		child_fields(d, info);
	else if (info->si_signo == SIGIO)
		dec_printf(d, ", si_band=%lld, si_fd=%d", (long long)info->si_band, info->si_fd);
	else if (info->si_signo == SIGSYS)
		seccomp_fields(d, info);
	else
		fault_fields(d, info);
	return true;
}

static void by_code(struct decode *d, const siginfo_t *info)
{
	switch (info->si_code) {
	case SI_USER:
	case SI_TKILL:
	case -7: /* SI_DETHREAD */
		sender(d, info);
		break;
	case SI_TIMER:
		dec_printf(d, ", si_timerid=%#x, si_overrun=%d", info->si_timerid,
			   info->si_overrun);
		signal_value(d, info);
		break;
	case SI_SIGIO:
		dec_printf(d, ", si_band=%lld, si_fd=%d", (long long)info->si_band, info->si_fd);
		break;
	case SI_KERNEL:
		if (!info->si_pid && !info->si_uid && !info->si_ptr)
			break;
		sender(d, info);
		break;
	default:
		if (!info->si_pid && !info->si_uid && !info->si_ptr &&
		    !call_name_of(&call_names_si_code, (uint32_t)info->si_code))
			break;
		sender(d, info);
		if (info->si_ptr)
			signal_value(d, info);
	}
}

static void siginfo_fields(struct decode *d, const siginfo_t *info)
{
	if (!info->si_signo) {
		dec_text(d, "{}");
		return;
	}
	dec_text(d, "{si_signo=");
	dec_signal(d, info->si_signo);
	dec_text(d, ", si_code=");
	code_name(d, info->si_signo, info->si_code);
	if (info->si_errno) {
		const char *name = decode_errno((unsigned int)info->si_errno, NULL);

		dec_text(d, ", si_errno=");
		if (name)
			dec_text(d, name);
		else
			dec_signed(d, info->si_errno);
	}
	if (info->si_code > 0 && by_signal(d, info)) {
		dec_text(d, "}");
		return;
	}
	by_code(d, info);
	dec_text(d, "}");
}

static void siginfo_item(struct decode *d, const uint8_t *data)
{
	siginfo_t info;

	memcpy(&info, data, sizeof(info));
	siginfo_fields(d, &info);
}

void decode_siginfo(struct buf *out, const void *data, size_t size,
		    const struct decode_options *options)
{
	struct decode d = { .out = out, .options = options };
	siginfo_t info = { 0 };

	memcpy(&info, data, size < sizeof(info) ? size : sizeof(info));
	siginfo_fields(&d, &info);
}

/* -- sigevent ---------------------------------------------------------------------------- */

static void sigevent_item(struct decode *d, const uint8_t *data)
{
	uint64_t value = DEC_GET(uint64_t, data, 0);
	int sig = DEC_GET(int, data, 8);
	int notify = DEC_GET(int, data, 12);

	dec_text(d, "{");
	if (value) {
		dec_printf(d, "sigev_value={sival_int=%d, sival_ptr=", (int)value);
		dec_address(d, value);
		dec_text(d, "}, ");
	}
	dec_text(d, "sigev_signo=");
	if (notify == SIGEV_SIGNAL || notify == SIGEV_THREAD || notify == SIGEV_THREAD_ID)
		dec_signal(d, sig);
	else
		dec_signed(d, sig);
	dec_text(d, ", sigev_notify=");
	dec_names(d, &call_names_sigev, (uint64_t)(unsigned int)notify);
	if (notify == SIGEV_THREAD_ID)
		dec_printf(d, ", sigev_notify_thread_id=%d", DEC_GET(int, data, 16));
	if (notify == SIGEV_THREAD) {
		dec_text(d, ", sigev_notify_function=");
		dec_address(d, DEC_GET(uint64_t, data, 16));
		dec_text(d, ", sigev_notify_attributes=");
		dec_address(d, DEC_GET(uint64_t, data, 24));
	}
	dec_text(d, "}");
}

/* Sources put the stack pointer into the first argument: the frame lies there. */
#define FRAME_SIGMASK 296 /* of the ucontext: flags, link, stack, machine context */

static void sigreturn_enter(struct decode *d)
{
	uint64_t set;

	if (dec_read(d, dec_arg(d, 0) + FRAME_SIGMASK, &set, sizeof(set))) {
		dec_arg_begin(d, "mask");
		dec_text(d, "{mask=");
		signal_set(d, set);
		dec_text(d, "}");
		dec_arg_end(d);
	}
	d->call->whole = true;
}

static void sigtimedwait_exit(struct decode *d)
{
	struct decode note = *d;

	dec_rest(d);
	note.out = &d->call->note;
	if (!dec_failed(d) && d->call->call.result)
		dec_signal(&note, (int)d->call->call.result);
}

static void restart_enter(struct decode *d)
{
	const struct call *call = d->call->restarted;

	dec_printf(d, "<... resuming interrupted %s ...>", call ? call->name : "system call");
	d->call->whole = true;
}

/* What pselect6 and io_pgetevents take: a pointer to a set, and its size. */
static void masked_item(struct decode *d, const uint8_t *data)
{
	uint64_t size = DEC_GET(uint64_t, data, 8);

	dec_text(d, "{sigmask=");
	sigset_memory(d, DEC_GET(uint64_t, data, 0), size);
	dec_printf(d, ", sigsetsize=%llu}", (unsigned long long)size);
}

static const struct dec_type types[] = {
	{ "sigset", NULL, sigset_memory },
	{ "sigaction", sigaction_item, NULL },
	{ "siginfo", siginfo_item, NULL },
	{ "sigevent", sigevent_item, NULL },
	{ "pselect_sigmask", masked_item, NULL },
	{ "aio_sigset", masked_item, NULL },
	{ NULL, NULL, NULL },
};

static const struct dec_call calls[] = {
	{ "rt_sigreturn", sigreturn_enter, NULL },
	{ "restart_syscall", restart_enter, NULL },
	{ "rt_sigtimedwait", NULL, sigtimedwait_exit },
	{ NULL, NULL, NULL },
};

const struct dec_family dec_signals = { types, calls };
