// SPDX-License-Identifier: Apache-2.0
#include "fmt/mpt.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"

/* Text is handed on in pieces of this size, so that memory stays bounded. */
#define PIECE	     (1 << 20)
#define WORDS_A_LINE 4

/* A text file, plain or gzip, that appears when complete. */
struct out {
	struct io_file file;
	gzFile gzip; /* NULL for plain text */
	struct buf text;
	int error; /* the first one, -errno */
};
#define cleanup_out cleanup_with(out_release)
#define OUT_INIT                     \
	{                            \
		.file = IO_FILE_INIT \
	}

static int out_open(struct out *out, const char *path, bool gzip)
{
	int fd, error;

	if (!access(path, F_OK))
		return err_set(CHOP_USAGE, EEXIST, "%s exists; remove it or choose another name",
			       path);
	error = io_create(&out->file, path, 0666);
	if (error || !gzip)
		return error;
	fd = dup(out->file.fd);
	out->gzip = fd < 0 ? NULL : gzdopen(fd, "wb1");
	if (!out->gzip && fd >= 0)
		close(fd);
	return out->gzip ? 0 : err_sys(CHOP_USAGE, ENOMEM, "cannot compress %s", path);
}

static void out_flush(struct out *out)
{
	unsigned int length = (unsigned int)out->text.length;

	if (!out->error && length && !out->gzip)
		out->error = io_write(out->file.fd, out->text.data, length);
	else if (!out->error && length && gzwrite(out->gzip, out->text.data, length) <= 0)
		out->error = -(errno ? errno : EIO);
	buf_reset(&out->text);
}

static void out_more(struct out *out)
{
	if (out->text.length >= PIECE)
		out_flush(out);
}

/* All bytes are with the kernel: only the rename is left. */
static int out_complete(struct out *out)
{
	out_flush(out);
	if (out->gzip && gzclose(out->gzip) != Z_OK && !out->error)
		out->error = -(errno ? errno : EIO);
	out->gzip = NULL;
	return out->error ? err_sys(CHOP_USAGE, -out->error, "cannot write %s", out->file.path) : 0;
}

static void out_release(struct out *out)
{
	if (out->gzip)
		gzclose(out->gzip);
	io_abandon(&out->file);
	buf_release(&out->text);
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A file name as a value: % starts an interpolation in the format. */
static void add_file_name(struct buf *text, const char *path)
{
	for (const char *at = file_name(path); *at; at++) {
		if (*at == '%')
			buf_add_char(text, '%');
		buf_add_char(text, *at);
	}
	buf_add_char(text, '\n');
}

static void add_trace_section(struct buf *text, const char *memory_trace)
{
	buf_add_text(text, "\n[TRACE]\nroi_memory_access_trace = ");
	add_file_name(text, memory_trace);
}

/*
 * Words in the order of the bytes in memory, not as numbers: Microprobe joins the digits,
 * and an instruction set with instructions of any length has no words to be read.
 */
static void add_code_page(struct out *out, const struct capture_page *page)
{
	for (size_t offset = 0; offset < CHOP_PAGE_SIZE; offset += 4 * WORDS_A_LINE) {
		buf_printf(&out->text, "  0x%" PRIx64 ":\n", page->address + offset);
		for (size_t word = 0; word < WORDS_A_LINE; word++) {
			buf_add_text(&out->text, "    0x");
			buf_add_hex(&out->text, page->before + offset + 4 * word, 4);
			buf_add_char(&out->text, '\n');
		}
	}
	out_more(out);
}

static bool kept(const struct capture_page *page, const struct mpt_options *options)
{
	return !(page->flags & PAGE_SUPPORT) &&
	       (!options->max_address || page->address < options->max_address);
}

static void write_mpt(struct out *out, const struct capture *capture,
		      const struct mpt_options *options, struct mpt_result *result)
{
	buf_add_text(&out->text, "[MPT]\nmpt_version = 0.5\n\n[STATE]\ncontents = ");
	add_file_name(&out->text, result->mps);
	buf_printf(&out->text, "\n[CODE]\ndefault_address = 0x%016" PRIx64 "\ninstructions=\n",
		   capture->begin);
	for (size_t i = 0; i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];

		if (!(page->flags & PAGE_EXECUTE) || !kept(page, options))
			continue;
		add_code_page(out, page);
		result->code_pages++;
	}
	if (options->memory_trace)
		add_trace_section(&out->text, options->memory_trace);
}

static void write_registers(struct buf *text, const struct thread_state *state)
{
	struct arch_wide_reg wide;
	const char *name;
	uint64_t value;

	for (unsigned int n = 0; (name = arch_reg(&state->regs, n, &value)); n++) {
		buf_add_text(text, "R ");
		for (; *name; name++)
			buf_add_char(text, (char)toupper((unsigned char)*name));
		buf_printf(text, " 0x%016" PRIx64 "\n", value);
	}
	buf_printf(text, "R PC 0x%" PRIx64 "\n", arch_pc(&state->regs));
	for (unsigned int n = 0; arch_wide_reg(state->xstate, state->xstate_size, n, &wide); n++) {
		buf_printf(text, "R %s 0x", wide.name);
		for (size_t i = wide.size; i--;)
			buf_add_hex(text, wide.bytes + i, 1);
		buf_add_char(text, '\n');
	}
}

/* Data: everything but pages that hold code only. Each M line is a page. */
static void write_mps(struct out *out, const struct capture *capture,
		      const struct mpt_options *options, struct mpt_result *result)
{
	write_registers(&out->text, &capture->entry);
	for (size_t i = 0; i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];

		if (!kept(page, options)) {
			result->left_out++;
			continue;
		}
		if ((page->flags & PAGE_EXECUTE) && !(page->flags & PAGE_WRITE))
			continue;
		buf_printf(&out->text, "M %016" PRIx64 " ", page->address);
		buf_add_hex(&out->text, page->before, CHOP_PAGE_SIZE);
		buf_add_char(&out->text, '\n');
		out_more(out);
		result->data_pages++;
	}
}

static bool begin_is_kept(const struct capture *capture, const struct mpt_options *options)
{
	const struct capture_page *page = capture_find(capture, capture->begin);

	return page && page->flags & PAGE_EXECUTE && kept(page, options);
}

int mpt_write(const struct capture *capture, const struct mpt_options *options,
	      struct mpt_result *result)
{
	cleanup_out struct out mpt = OUT_INIT, mps = OUT_INIT;
	const char *suffix = options->gzip ? ".gz" : "";
	int error;

	*result = (struct mpt_result){ 0 };
	if (!begin_is_kept(capture, options))
		return err_set(CHOP_USAGE, EINVAL,
			       "capture %u holds no code at its begin address 0x%" PRIx64
			       " (traced with -no-code, or cut off by --max-address)",
			       capture->id, capture->begin);
	result->mpt = xasprintf("%s#%u.mpt%s", options->output, capture->id, suffix);
	result->mps = xasprintf("%s#%u.mps%s", options->output, capture->id, suffix);
	error = out_open(&mpt, result->mpt, options->gzip);
	if (!error)
		error = out_open(&mps, result->mps, options->gzip);
	if (error)
		return error;
	write_mpt(&mpt, capture, options, result);
	write_mps(&mps, capture, options, result);
	error = out_complete(&mps);
	if (!error)
		error = out_complete(&mpt);
	/* The .mpt refers to the .mps: it comes last. */
	if (!error)
		error = io_commit(&mps.file);
	if (!error)
		error = io_commit(&mpt.file);
	return error;
}

void mpt_result_release(struct mpt_result *result)
{
	free(result->mpt);
	free(result->mps);
	*result = (struct mpt_result){ 0 };
}

/* Whether a line of the text is exactly this section's heading. */
static bool has_section(const char *text, const char *heading)
{
	size_t length = strlen(heading);

	for (const char *at = text; (at = strstr(at, heading)); at += length) {
		if ((at == text || at[-1] == '\n') &&
		    (!at[length] || isspace((unsigned char)at[length])))
			return true;
	}
	return false;
}

int mpt_add_memory_trace(const char *base, const char *output, const char *memory_trace)
{
	cleanup_out struct out out = OUT_INIT;
	int error = io_read_file(base, &out.text);

	if (error)
		return error;
	if (!has_section(buf_text(&out.text), "[MPT]") ||
	    !has_section(buf_text(&out.text), "[CODE]"))
		return err_set(CHOP_USAGE, EINVAL,
			       "%s is not an MPT file: no [MPT] and [CODE] section", base);
	if (has_section(buf_text(&out.text), "[TRACE]"))
		return err_set(CHOP_USAGE, EEXIST, "%s has a [TRACE] section already", base);
	add_trace_section(&out.text, memory_trace);
	error = out_open(&out, output, false);
	if (!error)
		error = out_complete(&out);
	return error ? error : io_commit(&out.file);
}
