// SPDX-License-Identifier: Apache-2.0
#include "event/decode.h"

#include <errno.h>
#include <string.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "event/decode_print.h"

void decode_call_release(struct decode_call *decode)
{
	buf_release(&decode->text);
	buf_release(&decode->note);
}

/* -- printers of irregular types and calls, by number ------------------------------------ */

static const struct dec_family *const families[] = { &dec_file,	   &dec_desc,	 &dec_network,
						     &dec_process, &dec_signals, &dec_time,
						     &dec_ipc,	   &dec_mem,	 &dec_misc,
						     &dec_ioctl };

static const struct dec_type **type_printers;
static const struct dec_call **call_printers;

static void fill_printers(void)
{
	type_printers = xcalloc(call_type_count, sizeof(*type_printers));
	call_printers = xcalloc(call_table_count, sizeof(*call_printers));
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		const struct dec_type *type = families[f]->types;
		const struct dec_call *call = families[f]->calls;

		for (; type && type->name; type++) {
			const struct call_type *row = call_type_find(type->name);

			if (row)
				type_printers[row - call_type_table] = type;
		}
		for (; call && call->name; call++) {
			long number = call_number(call->name);

			if (number >= 0)
				call_printers[number] = call;
		}
	}
}

const struct dec_type *dec_type_printer(const struct call_type *type)
{
	return type_printers[type - call_type_table];
}

const struct dec_call *dec_call_printer(long number)
{
	return call_printers[number];
}

/* -- arguments --------------------------------------------------------------------------- */

void dec_arg_begin(struct decode *d, const char *name)
{
	struct decode_call *call = d->call;

	if (call->separator)
		dec_text(d, ", ");
	call->separator = true;
	if (call->arg_count < DECODE_ARGS_MAX)
		call->args[call->arg_count] =
			(struct decode_arg){ name, (uint32_t)d->out->length, 0 };
}

void dec_arg_end(struct decode *d)
{
	struct decode_call *call = d->call;

	if (call->arg_count < DECODE_ARGS_MAX)
		call->args[call->arg_count++].end = (uint32_t)d->out->length;
}

void dec_next(struct decode *d)
{
	struct decode_call *call = d->call;
	const struct call_arg *arg = &call->shape.args[call->next];
	uint64_t value = call->call.args[call->next];

	if (arg->dir == CALL_VALUE && arg->type->format == CALL_NONE) {
		call->next++;
		return;
	}
	dec_arg_begin(d, arg->name);
	if (arg->dir == CALL_VALUE)
		dec_value(d, arg->type, value);
	else
		dec_memory(d, &arg->memory, arg->dir, value);
	dec_arg_end(d);
	call->next++;
}

void dec_rest(struct decode *d)
{
	while (d->call->next < d->call->shape.arg_count)
		dec_next(d);
}

void dec_skip(struct decode *d)
{
	d->call->next++;
}

static bool told_at_exit(const struct call_arg *arg)
{
	return arg->dir == CALL_OUT || arg->dir == CALL_OUT_POSITIVE ||
	       arg->dir == CALL_OUT_ALWAYS || arg->dir == CALL_INOUT;
}

static void regular_enter(struct decode *d)
{
	struct decode_call *call = d->call;

	while (call->next < call->shape.arg_count && !told_at_exit(&call->shape.args[call->next]))
		dec_next(d);
}

static void unknown_call(struct decode *d)
{
	dec_printf(d, "syscall_0x%lx(", (unsigned long)d->call->call.number);
	for (int i = 0; i < 6; i++) {
		dec_arg_begin(d, "");
		dec_hex(d, dec_arg(d, (unsigned int)i));
		dec_arg_end(d);
	}
	d->call->whole = true;
	d->call->enter_length = d->call->text.length;
}

static int read_pointed(void *context, uint64_t address, void *data, size_t size)
{
	return dec_read(context, address, data, size) ? 0 : -EFAULT;
}

static void reset(struct decode_call *call)
{
	buf_reset(&call->text);
	buf_reset(&call->note);
	call->arg_count = call->next = 0;
	call->separator = call->whole = call->result_replaced = false;
	call->saved = 0;
}

void decode_enter(struct decode_call *call, const struct decode_options *options,
		  const struct decode_memory *memory)
{
	struct decode d = { &call->text, options, memory, call, false };
	const struct dec_call *printer;

	if (!call_printers)
		fill_printers();
	reset(call);
	call->entry = call_find(call->call.number);
	if (!call->entry) {
		unknown_call(&d);
		return;
	}
	call_shape_of(call->entry, call->call.args, &call->shape);
	call_enter(&call->call, read_pointed, &d);
	dec_text(&d, call->entry->name);
	dec_text(&d, "(");
	printer = dec_call_printer(call->call.number);
	if (printer && printer->enter)
		printer->enter(&d);
	else
		regular_enter(&d);
	if (!call->whole && call->separator && call->next < call->shape.arg_count) {
		dec_text(&d, ", ");
		call->separator = false;
	}
	call->enter_length = call->text.length;
}

void decode_exit(struct decode_call *call, const struct decode_options *options,
		 const struct decode_memory *memory)
{
	struct decode d = { &call->text, options, memory, call, true };
	const struct dec_call *printer = call->entry ? dec_call_printer(call->call.number) : NULL;

	if (printer && printer->exit)
		printer->exit(&d);
	else if (call->entry && !call->whole)
		dec_rest(&d);
	dec_text(&d, ")");
}

/* -- results ----------------------------------------------------------------------------- */

static const struct {
	int error;
	const char *name, *text;
} kernel_errors[] = {
	{ 512, "ERESTARTSYS", "To be restarted if SA_RESTART is set" },
	{ 513, "ERESTARTNOINTR", "To be restarted" },
	{ 514, "ERESTARTNOHAND", "To be restarted if no handler" },
	{ 515, "ENOIOCTLCMD", "No ioctl command" },
	{ 516, "ERESTART_RESTARTBLOCK", "Interrupted by signal" },
	{ 517, "EPROBE_DEFER", "Probe deferred" },
	{ 518, "EOPENSTALE", "Open found a stale dentry" },
	{ 519, "ENOPARAM", "Parameter not supported" },
	{ 521, "EBADHANDLE", "Illegal NFS file handle" },
	{ 522, "ENOTSYNC", "Update synchronization mismatch" },
	{ 523, "EBADCOOKIE", "Cookie is stale" },
	{ 524, "ENOTSUPP", "Operation is not supported" },
	{ 525, "ETOOSMALL", "Buffer or request is too small" },
	{ 526, "ESERVERFAULT", "An untranslatable error occurred" },
	{ 527, "EBADTYPE", "Type not supported by server" },
	{ 528, "EJUKEBOX", "Request initiated, but will not complete before timeout" },
	{ 529, "EIOCBQUEUED", "iocb queued, will get completion event" },
	{ 530, "ERECALLCONFLICT", "conflict with recalled state" },
};

const char *decode_errno(unsigned int error, const char **text)
{
	const char *name = strerrorname_np((int)error);

	if (name) {
		if (text)
			*text = strerrordesc_np((int)error);
		return name;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kernel_errors); i++) {
		if (kernel_errors[i].error != (int)error)
			continue;
		if (text)
			*text = kernel_errors[i].text;
		return kernel_errors[i].name;
	}
	return NULL;
}

static void failure(struct decode *d, unsigned int error)
{
	const char *text = NULL, *name = decode_errno(error, &text);
	bool restart = error == 512 || error == 513 || error == 514 || error == 516;

	if (!name)
		dec_printf(d, "-1 (errno %u)", error);
	else if (restart)
		dec_printf(d, "? %s (%s)", name, text);
	else
		dec_printf(d, "-1 %s (%s)", name, text);
}

static void success(struct decode *d, const struct decode_call *call)
{
	const struct call_type *type = call->entry ? call->shape.result : NULL;
	int64_t result = call->call.result;

	if (!type)
		dec_signed(d, result);
	else if (type->format == CALL_HEX)
		dec_hex(d, (uint64_t)result);
	else if (type->format == CALL_OCTAL)
		dec_mode(d, (uint64_t)result);
	else if (type->format == CALL_FD)
		dec_fd(d, (int)result);
	else if (type->format == CALL_ID)
		dec_unsigned(d, (uint32_t)result);
	else
		dec_signed(d, result);
}

void decode_result(const struct decode_call *call, const struct decode_options *options,
		   const struct decode_memory *memory, struct buf *out)
{
	struct decode d = { out, options, memory, NULL, true };

	if (decode_failed(call->call.result))
		failure(&d, (unsigned int)-call->call.result);
	else
		success(&d, call);
	if (call->note.length) {
		dec_text(&d, " (");
		dec_text(&d, buf_text(&call->note));
		dec_text(&d, ")");
	}
}
