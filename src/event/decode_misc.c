// SPDX-License-Identifier: Apache-2.0
/* Privileges, futexes, mounts, quotas and other calls with shapes of their own. */
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <string.h>

#include "event/decode_print.h"

/* -- capabilities ---------------------------------------------------------------------------- */

static void capability_set(struct decode *d, uint64_t set)
{
	const char *separator = "";
	uint64_t unknown = 0;

	if (!set) {
		dec_text(d, "0");
		return;
	}
	for (unsigned int bit = 0; bit < 64; bit++) {
		const char *name = call_name_of(&call_names_cap, bit);

		if (!(set >> bit & 1))
			continue;
		if (!name) {
			unknown |= 1ull << bit;
			continue;
		}
		dec_printf(d, "%s1<<%s", separator, name);
		separator = "|";
	}
	if (unknown) {
		dec_text(d, separator);
		/* The words above the first are told apart in the kernel's structure. */
		dec_hex(d, unknown >= 1ull << 32 ? unknown >> 32 : unknown);
	}
}

static void cap_data_memory(struct decode *d, uint64_t address, uint64_t count)
{
	static const char *const names[] = { "{effective=", ", permitted=", ", inheritable=" };
	uint32_t version = 0, data[6] = { 0 };
	size_t size;

	(void)count;
	dec_read(d, dec_arg(d, 0), &version, 4);
	size = version == _LINUX_CAPABILITY_VERSION_1 || (version != _LINUX_CAPABILITY_VERSION_2 &&
							  version != _LINUX_CAPABILITY_VERSION_3)
		       ? 12
		       : 24;
	if (!dec_read_or_address(d, address, data, size))
		return;
	for (int i = 0; i < 3; i++) {
		dec_text(d, names[i]);
		capability_set(d, data[i] | (uint64_t)data[i + 3] << 32);
	}
	dec_text(d, "}");
}

/* -- futex ----------------------------------------------------------------------------------- */

static void wake_operation(struct decode *d, uint32_t value)
{
	unsigned int op = value >> 28 & 7, compare = value >> 24 & 15;
	const char *name = call_name_of(&call_names_futex_op, op);
	const char *test = call_name_of(&call_names_futex_cmp, compare);

	if (value >> 28 & 8)
		dec_text(d, "FUTEX_OP_OPARG_SHIFT<<28|");
	if (name)
		dec_printf(d, "%s<<28|", name);
	else
		dec_printf(d, "%#x<<28 /* FUTEX_OP_??? */|", op);
	dec_hex(d, value >> 12 & 0xfff);
	if (test)
		dec_printf(d, "<<12|%s<<24|", test);
	else
		dec_printf(d, "<<12|%#x<<24 /* FUTEX_OP_CMP_??? */|", compare);
	dec_hex(d, value & 0xfff);
}

static void futex_enter(struct decode *d)
{
	if ((dec_arg(d, 1) & FUTEX_CMD_MASK) != FUTEX_WAKE_OP) {
		dec_rest(d);
		return;
	}
	for (int i = 0; i < 5; i++)
		dec_next(d);
	dec_arg_begin(d, "val3");
	wake_operation(d, (uint32_t)dec_arg(d, 5));
	dec_arg_end(d);
	dec_skip(d);
}

static void futex_waitv_item(struct decode *d, const uint8_t *data)
{
	dec_text(d, "{val=");
	dec_hex(d, DEC_GET(uint64_t, data, 0));
	dec_text(d, ", uaddr=");
	dec_address(d, DEC_GET(uint64_t, data, 8));
	dec_text(d, ", flags=");
	dec_names(d, &call_names_futex_waitv, DEC_GET(uint32_t, data, 16));
	if (DEC_GET(uint32_t, data, 20)) {
		dec_text(d, ", __reserved=");
		dec_hex(d, DEC_GET(uint32_t, data, 20));
	}
	dec_text(d, "}");
}

/* -- structures whose size is an argument ------------------------------------------------------ */

/* Bytes past what is known: shown when there is something in them. */
static void surplus(struct decode *d, uint64_t address, uint64_t known, uint64_t size)
{
	uint8_t rest[4096];
	bool zero = true;

	if (size <= known || size > sizeof(rest) ||
	    !dec_read(d, address + known, rest, size - known))
		return;
	for (uint64_t i = 0; i < size - known; i++)
		zero = zero && !rest[i];
	if (zero)
		return;
	dec_printf(d, ", /* bytes %llu..%llu */ ", (unsigned long long)known,
		   (unsigned long long)size - 1);
	size -= known;
	dec_quoted(d, rest, size < d->options->string_limit ? size : d->options->string_limit,
		   DEC_QUOTE_HEX | (size > d->options->string_limit ? DEC_QUOTE_MORE : 0));
}

static void open_how_memory(struct decode *d, uint64_t address, uint64_t size)
{
	struct open_how how;

	if (size < sizeof(how) || !dec_read(d, address, &how, sizeof(how))) {
		dec_address(d, address);
		return;
	}
	dec_text(d, "{flags=");
	dec_names(d, &call_names_open_mode, how.flags);
	if ((how.flags & 0100) || how.mode) {
		dec_text(d, ", mode=");
		dec_mode(d, how.mode);
	}
	dec_text(d, ", resolve=");
	dec_names(d, &call_names_resolve, how.resolve);
	surplus(d, address, sizeof(how), size);
	dec_text(d, "}");
}

static void mount_attr_memory(struct decode *d, uint64_t address, uint64_t size)
{
	struct mount_attr a;

	if (size < sizeof(a) || !dec_read(d, address, &a, sizeof(a))) {
		dec_address(d, address);
		return;
	}
	dec_text(d, "{attr_set=");
	dec_names(d, &call_names_mount_attr64, a.attr_set);
	dec_text(d, ", attr_clr=");
	dec_names(d, &call_names_mount_attr64, a.attr_clr);
	dec_text(d, ", propagation=");
	dec_names(d, &call_names_mount_propagation, a.propagation);
	dec_printf(d, ", userns_fd=%llu", (unsigned long long)a.userns_fd);
	surplus(d, address, sizeof(a), size);
	dec_text(d, "}");
}

static void landlock_memory(struct decode *d, uint64_t address, uint64_t size)
{
	uint64_t access;

	if (size < sizeof(access) || !dec_read(d, address, &access, sizeof(access))) {
		dec_address(d, address);
		return;
	}
	dec_text(d, "{handled_access_fs=");
	dec_names(d, &call_names_landlock_fs, access);
	dec_text(d, size > sizeof(access) ? ", ...}" : "}");
}

static void fprog_item(struct decode *d, const uint8_t *data)
{
	dec_printf(d, "{len=%u, filter=", DEC_GET(uint16_t, data, 0));
	dec_address(d, DEC_GET(uint64_t, data, 8));
	dec_text(d, "}");
}

/* Not taken apart: an address says more than bytes. */
static void address_memory(struct decode *d, uint64_t address, uint64_t count)
{
	(void)count;
	dec_address(d, address);
}

/* -- io_uring ---------------------------------------------------------------------------------- */

static void uring_asked(struct decode *d, const struct io_uring_params *p)
{
	dec_text(d, "{flags=");
	dec_names(d, &call_names_uring_setup, p->flags);
	dec_text(d, ", sq_thread_cpu=");
	dec_hex(d, p->sq_thread_cpu);
	dec_printf(d, ", sq_thread_idle=%u", p->sq_thread_idle);
	if (p->flags & IORING_SETUP_ATTACH_WQ) {
		dec_text(d, ", wq_fd=");
		dec_fd(d, (int)p->wq_fd);
	}
	if (!p->resv[0] && !p->resv[1] && !p->resv[2])
		return;
	dec_text(d, ", resv=[");
	for (int i = 0; i < 3; i++) {
		dec_text(d, i ? ", " : "");
		dec_hex(d, p->resv[i]);
	}
	dec_text(d, "]");
}

static void uring_enter(struct decode *d)
{
	struct io_uring_params p;

	dec_next(d);
	dec_arg_begin(d, "params");
	if (!dec_read_or_address(d, dec_arg(d, 1), &p, sizeof(p))) {
		dec_arg_end(d);
		dec_skip(d);
		d->call->whole = true;
		return;
	}
	uring_asked(d, &p);
	d->call->next = d->call->shape.arg_count;
}

static void uring_exit(struct decode *d)
{
	const struct call_type *offsets = call_type_find("io_uring_params");
	struct io_uring_params p;

	if (d->call->whole)
		return;
	if (!dec_failed(d) && dec_read(d, dec_arg(d, 1), &p, sizeof(p))) {
		dec_printf(d, ", sq_entries=%u, cq_entries=%u, features=", p.sq_entries,
			   p.cq_entries);
		dec_names(d, &call_names_uring_features, p.features);
		dec_text(d, ", sq_off=");
		dec_item(d, offsets->fields[8].type, (uint8_t *)&p.sq_off);
		dec_text(d, ", cq_off=");
		dec_item(d, offsets->fields[9].type, (uint8_t *)&p.cq_off);
	}
	dec_text(d, "}");
	dec_arg_end(d);
}

static void uring_wait_enter(struct decode *d)
{
	for (int i = 0; i < 4; i++)
		dec_next(d);
	if (dec_arg(d, 3) & IORING_ENTER_EXT_ARG) {
		dec_arg_begin(d, "arg");
		dec_address(d, dec_arg(d, 4));
		dec_arg_end(d);
		dec_skip(d);
	}
	dec_rest(d);
}

/* -- others ------------------------------------------------------------------------------------ */

static void prctl_exit(struct decode *d)
{
	struct decode note = *d;
	int64_t result = d->call->call.result;

	dec_rest(d);
	note.out = &d->call->note;
	if (dec_failed(d))
		return;
	switch (dec_arg(d, 0)) {
	case PR_GET_DUMPABLE:
		dec_names(&note, &call_names_dumpable, (uint64_t)result);
		break;
	case PR_MCE_KILL_GET:
		dec_names(&note, &call_names_mce_policy, (uint64_t)result);
		break;
	case PR_GET_SPECULATION_CTRL:
		d->call->shape.result = call_type_find("x64");
		dec_names(&note, &call_names_spec_get, (uint64_t)result);
		break;
	case PR_GET_SECUREBITS:
		d->call->shape.result = call_type_find("x64");
		if (result)
			dec_names(&note, &call_names_securebits, (uint64_t)result);
		break;
	}
}

static void prctl_enter(struct decode *d)
{
	uint64_t option = dec_arg(d, 0);

	dec_next(d);
	if (option == PR_CAP_AMBIENT) {
		uint64_t op = dec_arg(d, 1);

		dec_next(d);
		dec_arg_begin(d, "cap");
		if (op >= PR_CAP_AMBIENT_IS_SET && op <= PR_CAP_AMBIENT_LOWER)
			dec_names(d, &call_names_cap, dec_arg(d, 2));
		else
			dec_hex(d, dec_arg(d, 2));
		dec_arg_end(d);
		dec_skip(d);
		dec_rest(d);
	} else if (option == PR_SET_PTRACER && dec_arg(d, 1) == UINT64_MAX) {
		dec_arg_begin(d, "pid");
		dec_text(d, "PR_SET_PTRACER_ANY");
		dec_arg_end(d);
		dec_skip(d);
	} else if (d->call->shape.arg_count > 1 && d->call->shape.args[1].dir != CALL_OUT) {
		dec_rest(d);
	}
}

static void task_name_memory(struct decode *d, uint64_t address, uint64_t count)
{
	size_t limit = d->options->string_limit < 15 ? d->options->string_limit : 15;
	char name[16] = { 0 };
	size_t got, length;

	(void)count;
	got = d->memory ? d->memory->read(d->memory->context, address, name, sizeof(name)) : 0;
	length = strnlen(name, got);
	if (!got)
		dec_address(d, address);
	else
		dec_quoted(d, name, length < limit ? length : limit,
			   length > limit ? DEC_QUOTE_MORE : 0);
}

#define IOPRIO_SHIFT 13

void dec_io_priority(struct decode *d, unsigned int value)
{
	dec_text(d, "IOPRIO_PRIO_VALUE(");
	dec_names(d, &call_names_ioprio_class, value >> IOPRIO_SHIFT);
	dec_printf(d, ", %u)", value & ((1u << IOPRIO_SHIFT) - 1));
}

static void ioprio_set_enter(struct decode *d)
{
	dec_next(d);
	dec_next(d);
	dec_arg_begin(d, "ioprio");
	dec_io_priority(d, (unsigned int)dec_arg(d, 2));
	dec_arg_end(d);
	dec_skip(d);
}

static void ioprio_get_exit(struct decode *d)
{
	struct decode note = *d;

	note.out = &d->call->note;
	if (!dec_failed(d))
		dec_io_priority(&note, (unsigned int)d->call->call.result);
}

static void syslog_enter(struct decode *d)
{
	int type = (int)dec_arg(d, 0);
	const char *name = call_name_of(&call_names_syslog, (uint64_t)(unsigned int)type);

	dec_arg_begin(d, "type");
	dec_printf(d, "%d /* %s */", type, name ? name : "SYSLOG_ACTION_???");
	dec_arg_end(d);
	dec_skip(d);
	if (type >= 2 && type <= 4)
		return;
	if (!name || type == 8) {
		dec_arg_begin(d, "buf");
		if (name)
			dec_address(d, dec_arg(d, 1));
		else
			dec_hex(d, dec_arg(d, 1));
		dec_arg_end(d);
		dec_skip(d);
		dec_next(d);
		if (name)
			dec_printf(d, " /* %s */",
				   call_name_of(&call_names_loglevel, dec_arg(d, 2))
					   ? call_name_of(&call_names_loglevel, dec_arg(d, 2))
					   : "LOGLEVEL_???");
	}
	d->call->whole = true;
}

/* Options of a mount are text unless it is one that has none. */
static void mount_enter(struct decode *d)
{
	uint64_t flags = dec_arg(d, 3);
	bool old = (flags & 0xffff0000) == 0xc0ed0000;
	bool no_type = flags & (0x20 | 0x1000 | 0x2000 | 0x20000 | 0x40000 | 0x80000 | 0x100000);
	bool no_data = flags & (0x1000 | 0x2000 | 0x20000 | 0x40000 | 0x80000 | 0x100000);

	if (old)
		flags &= 0xffff;
	no_type = old ? flags & 0x3020 : no_type;
	no_data = old ? flags & 0x3000 : no_data;
	dec_next(d);
	dec_next(d);
	dec_arg_begin(d, "type");
	if (no_type)
		dec_address(d, dec_arg(d, 2));
	else
		dec_string(d, dec_arg(d, 2));
	dec_arg_end(d);
	dec_skip(d);
	dec_arg_begin(d, "flags");
	if (old)
		dec_text(d, flags ? "MS_MGC_VAL|" : "MS_MGC_VAL");
	if (!old || flags)
		dec_names(d, &call_names_mount, flags);
	dec_arg_end(d);
	dec_skip(d);
	dec_arg_begin(d, "data");
	if (no_data)
		dec_address(d, dec_arg(d, 4));
	else
		dec_string(d, dec_arg(d, 4));
	dec_arg_end(d);
	dec_skip(d);
}

static void quota_command(struct decode *d, unsigned int cmd)
{
	dec_text(d, "QCMD(");
	dec_names(d, &call_names_quota_cmd, cmd >> 8);
	dec_text(d, ", ");
	dec_names(d, &call_names_quota_type, cmd & 0xff);
	dec_text(d, ")");
}

static void quota_id(struct decode *d, unsigned int command, unsigned int at)
{
	dec_arg_begin(d, "id");
	if (command == 0x800002)
		dec_names(d, &call_names_quota_format, (uint32_t)dec_arg(d, at));
	else
		dec_id(d, (uint32_t)dec_arg(d, at));
	dec_arg_end(d);
}

static void quotactl_enter(struct decode *d)
{
	unsigned int first = !strcmp(d->call->entry->name, "quotactl_fd");
	unsigned int command = (unsigned int)dec_arg(d, first) >> 8;

	if (first)
		dec_next(d);
	dec_arg_begin(d, "cmd");
	quota_command(d, (unsigned int)dec_arg(d, first));
	dec_arg_end(d);
	dec_skip(d);
	if (!first)
		dec_next(d);
	if (command == 0x800001 || command == 0x800003) {
		d->call->whole = true;
		return;
	}
	quota_id(d, command, d->call->next);
	dec_skip(d);
	if (command == 0x800007)
		return;
	dec_arg_begin(d, "addr");
	if (command == 0x800008)
		dec_pointer_to(d, "dqblk", dec_arg(d, 3));
	else if (command == 0x800002)
		dec_path(d, dec_arg(d, 3));
	else
		dec_address(d, dec_arg(d, 3));
	dec_arg_end(d);
	dec_skip(d);
}

static void quotactl_exit(struct decode *d)
{
	if (d->call->whole || d->call->next >= d->call->shape.arg_count)
		return;
	dec_arg_begin(d, "addr");
	if (dec_failed(d))
		dec_address(d, dec_arg(d, 3));
	else
		dec_pointer_to(d, "dqblk", dec_arg(d, 3));
	dec_arg_end(d);
	dec_skip(d);
}

static void membarrier_enter(struct decode *d)
{
	dec_next(d);
	dec_next(d);
	if (dec_arg(d, 1) & 1)
		dec_next(d);
	else
		dec_skip(d);
}

/* The set of commands there are. */
static void membarrier_exit(struct decode *d)
{
	struct decode note = *d;

	note.out = &d->call->note;
	if (!dec_failed(d) && !dec_arg(d, 0) && d->call->call.result)
		dec_names(&note, &call_names_membarrier_set, (uint64_t)d->call->call.result);
}

static void hex_bytes_memory(struct decode *d, uint64_t address, uint64_t size)
{
	size_t limit = d->options->string_limit, shown = size < limit ? (size_t)size : limit;
	struct buf data = { 0 };

	if (dec_read(d, address, buf_reserve(&data, shown), shown))
		dec_quoted(d, data.data, shown,
			   DEC_QUOTE_HEX | (shown < size ? DEC_QUOTE_MORE : 0));
	else
		dec_address(d, address);
	buf_release(&data);
}

static const struct dec_type types[] = {
	{ "xbytes", NULL, hex_bytes_memory },
	{ "cap_data", NULL, cap_data_memory },
	{ "futex_waitv", futex_waitv_item, NULL },
	{ "open_how", NULL, open_how_memory },
	{ "mount_attr", NULL, mount_attr_memory },
	{ "landlock_ruleset", NULL, landlock_memory },
	{ "sock_fprog", fprog_item, NULL },
	{ "perf_event_attr", NULL, address_memory },
	{ "bpf_attr", NULL, address_memory },
	{ "task_name", NULL, task_name_memory },
	{ NULL, NULL, NULL },
};

static const struct dec_call calls[] = {
	{ "futex", futex_enter, NULL },
	{ "io_uring_setup", uring_enter, uring_exit },
	{ "io_uring_enter", uring_wait_enter, NULL },
	{ "prctl", prctl_enter, prctl_exit },
	{ "ioprio_set", ioprio_set_enter, NULL },
	{ "ioprio_get", NULL, ioprio_get_exit },
	{ "syslog", syslog_enter, NULL },
	{ "mount", mount_enter, NULL },
	{ "quotactl", quotactl_enter, quotactl_exit },
	{ "quotactl_fd", quotactl_enter, quotactl_exit },
	{ "membarrier", membarrier_enter, membarrier_exit },
	{ NULL, NULL, NULL },
};

const struct dec_family dec_misc = { types, calls };
