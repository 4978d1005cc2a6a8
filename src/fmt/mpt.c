// SPDX-License-Identifier: Apache-2.0
#include "fmt/mpt.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "store/regs_text.h"

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
static void add_value(struct buf *text, const char *value)
{
	for (const char *at = value; *at; at++) {
		if (*at == '%')
			buf_add_char(text, '%');
		buf_add_char(text, *at);
	}
	buf_add_char(text, '\n');
}

/* Space around a value is dropped, and a semicolon behind space begins a comment. */
static int check_name(const char *path)
{
	const char *name = file_name(path);
	size_t length = strlen(name);

	if (length && !isspace((unsigned char)name[0]) && name[0] != ';' &&
	    !isspace((unsigned char)name[length - 1]) && !strpbrk(name, "\r\n") &&
	    !strstr(name, " ;") && !strstr(name, "\t;"))
		return 0;
	return err_set(CHOP_USAGE, EINVAL,
		       "an MPT file cannot name '%s': no space at its ends, no semicolon at the "
		       "begin or behind a space, no end of line",
		       name);
}

static void add_trace_section(struct buf *text, const char *memory_trace)
{
	buf_add_text(text, "\n[TRACE]\nroi_memory_access_trace = ");
	add_value(text, memory_trace);
}

/*
 * Words in the order of the bytes in memory, not as numbers: Microprobe joins the digits,
 * and an instruction set with instructions of any length has no words to be read.
 */
static void add_code_page(struct out *out, const struct capture_page *page, bool numbers)
{
	for (size_t offset = 0; offset < CHOP_PAGE_SIZE; offset += 4 * WORDS_A_LINE) {
		buf_printf(&out->text, "  0x%" PRIx64 ":\n", page->address + offset);
		for (size_t word = 0; word < WORDS_A_LINE; word++) {
			buf_add_text(&out->text, "    0x");
			for (size_t i = 0; i < 4; i++)
				buf_add_hex(&out->text,
					    page->before + offset + 4 * word +
						    (numbers ? 3 - i : i),
					    1);
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

/*
 * ChopStiX writes words of instructions as numbers: on big-endian machines that is the order
 * of the bytes, on POWER (by MSR's last bit) and RISC-V little-endian it is not.
 */
static bool words_are_numbers(const char *registers)
{
	const char *msr = registers ? strstr(registers, "MSR 0x") : NULL;

	if (msr)
		msr += strcspn(msr, "\n");
	return registers && (!strncmp(registers, "x0 ", 3) || strstr(registers, "\nx1 ") ||
			     (msr && strchr("13579bdfBDF", msr[-1])));
}

static void write_mpt(struct out *out, const struct capture *capture,
		      const struct mpt_options *options, struct mpt_result *result)
{
	bool numbers = words_are_numbers(options->registers);

	buf_add_text(&out->text, "[MPT]\nmpt_version = 0.5\n\n[STATE]\ncontents = ");
	add_value(&out->text, file_name(result->mps));
	buf_printf(&out->text, "\n[CODE]\ndefault_address = 0x%016" PRIx64 "\ninstructions=\n",
		   capture->begin);
	for (size_t i = 0; i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];

		if (!(page->flags & PAGE_EXECUTE) || !kept(page, options))
			continue;
		add_code_page(out, page, numbers);
		result->code_pages++;
	}
	if (options->memory_trace)
		add_trace_section(&out->text, file_name(options->memory_trace));
}

static void write_registers(struct out *out, const struct capture *capture,
			    const struct mpt_options *options)
{
	cleanup_buf struct buf own = { 0 };
	const char *line = options->registers;

	if (!line) {
		regs_text_write(&capture->entry, &own);
		line = buf_text(&own);
	}
	while (*line) {
		size_t length = strcspn(line, "\n");

		buf_add_text(&out->text, "R ");
		buf_add(&out->text, line, length);
		buf_add_char(&out->text, '\n');
		line += length + (line[length] == '\n');
	}
	buf_printf(&out->text, "R PC 0x%" PRIx64 "\n", capture->begin);
}

/* Data: everything but pages that hold code only. Each M line is a page. */
static void write_mps(struct out *out, const struct capture *capture,
		      const struct mpt_options *options, struct mpt_result *result)
{
	write_registers(out, capture, options);
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
	if (!options->registers && !arch_pc(&capture->entry.regs))
		return err_set(CHOP_USAGE, EINVAL,
			       "capture %u holds no registers (traced with -no-registers)",
			       capture->id);
	if (!begin_is_kept(capture, options))
		return err_set(CHOP_USAGE, EINVAL,
			       "capture %u holds no code at its begin address 0x%" PRIx64
			       " (traced with -no-code, or cut off by --max-address)",
			       capture->id, capture->begin);
	result->mpt = xasprintf("%s#%u.mpt%s", options->output, capture->id, suffix);
	result->mps = xasprintf("%s#%u.mps%s", options->output, capture->id, suffix);
	error = check_name(result->mps);
	if (!error)
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

/* The text of an MPT file, plain or gzip. */
static int read_text(const char *path, struct buf *text, bool *compressed)
{
	gzFile file = gzopen(path, "rb");
	int got = 1, code;

	if (!file)
		return err_sys(CHOP_USAGE, errno ? errno : ENOMEM, "cannot open %s", path);
	while (got > 0) {
		got = gzread(file, buf_reserve(text, PIECE), PIECE);
		text->length += got > 0 ? (size_t)got : 0;
	}
	*buf_reserve(text, 1) = '\0';
	*compressed = !gzdirect(file);
	gzerror(file, &code);
	gzclose(file);
	if (got < 0 || code == Z_BUF_ERROR)
		return err_set(CHOP_USAGE, EIO, "cannot read %s: %s", path,
			       code == Z_ERRNO ? strerror(errno)
					       : "its compressed data are damaged");
	return 0;
}

static int read_base(const char *base, struct buf *text, bool *compressed)
{
	int error = read_text(base, text, compressed);

	if (error)
		return error;
	if (strlen(buf_text(text)) != text->length || !has_section(buf_text(text), "[MPT]") ||
	    !has_section(buf_text(text), "[CODE]"))
		return err_set(CHOP_USAGE, EINVAL,
			       "%s is not an MPT file: no [MPT] and [CODE] section", base);
	if (has_section(buf_text(text), "[TRACE]"))
		return err_set(CHOP_USAGE, EEXIST, "%s has a [TRACE] section already", base);
	return 0;
}

int mpt_check(const char *base)
{
	cleanup_buf struct buf text = { 0 };
	bool compressed;

	return read_base(base, &text, &compressed);
}

/* How a file in `of` names `path`: by its name alone when both are in one directory. */
static char *relative(const char *path, const char *of)
{
	cleanup_free char *copy = xstrdup(path), *other = xstrdup(of);
	cleanup_free char *here = realpath(dirname(copy), NULL),
			  *there = realpath(dirname(other), NULL);

	if (!here || !there || !strcmp(here, there))
		return xstrdup(file_name(path));
	return xasprintf("%s/%s", here, file_name(path));
}

static bool ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), size = strlen(end);

	return length >= size && !strcmp(text + length - size, end);
}

int mpt_add_memory_trace(const char *base, const char *output, const char *memory_trace,
			 char **written)
{
	cleanup_free char *path = NULL, *reference = relative(memory_trace, output);
	cleanup_out struct out out = OUT_INIT;
	bool compressed;
	int error = read_base(base, &out.text, &compressed);

	if (!error)
		error = check_name(memory_trace);
	if (error)
		return error;
	path = xasprintf("%s%s", output, compressed && !ends_in(output, ".gz") ? ".gz" : "");
	add_trace_section(&out.text, reference);
	error = out_open(&out, path, compressed);
	if (!error)
		error = out_complete(&out);
	if (!error)
		error = io_commit(&out.file);
	if (!error && written)
		*written = xstrdup(path);
	return error;
}
