// SPDX-License-Identifier: Apache-2.0
/* chop maps: where modules and symbols are at run time. */
#include "cmd/cmd.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "cmd/object.h"
#include "elf/dynamic.h"
#include "elf/ifunc.h"
#include "elf/load.h"
#include "elf/needed.h"
#include "store/maps.h"
#include "tracee/breakpoint.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"

struct options {
	const char *module;
	uint64_t pid;
};

static const struct opt table[] = {
	OPT_NUMBER('p', "pid", struct options, pid, "PID", "of a running process", .min = 1,
		   .max = INT32_MAX),
	OPT_TEXT('m', "module", struct options, module, "NAME", "only in this module"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop maps PROGRAM [SYMBOL]\n"
		 "chop maps -p PID [SYMBOL]",
	.about = "Print where the segments of a program and of its libraries are when chop runs\n"
		 "it: start, end, protection, what was added to the addresses of the file, path.\n"
		 "With SYMBOL print just its address. The program is started where its file alone\n"
		 "does not tell, and ended before it runs.",
	.options = table,
	.examples = "  chop maps xz lzma_code\n"
		    "  chop maps -p $(pidof cat) -m libc.so.6",
	.intermixed = true,
};

/* A module at its place. */
struct place {
	char *path; /* owned */
	struct image image;
	uint64_t bias;
};
struct place_vec VEC_BODY(struct place);

static void places_release(struct place_vec *places)
{
	for (size_t i = 0; i < places->length; i++) {
		image_close(&places->items[i].image);
		free(places->items[i].path);
	}
	vec_release(places);
}

/* What cannot be opened (deleted, no ELF file) has no symbols: it is left out. */
static struct place *add_place(struct place_vec *places, const char *path)
{
	struct image image;

	if (image_open(path, &image)) {
		log_verbose("%s", err_message());
		return NULL;
	}
	*vec_push(places) = (struct place){ .path = xstrdup(path), .image = image };
	return vec_last(places);
}

/* -- a program that chop starts -------------------------------------------------------- */

/* Not beyond the program's own first instruction, whatever the dynamic linker tells. */
static void run_until_loaded(struct tracee *tracee)
{
	struct event event = { .kind = EVENT_STOPPED };
	uint64_t entry = memory_auxv(tracee, AT_ENTRY);

	if (breakpoint_set(tracee, entry, BREAK_BEGIN))
		return;
	thread_resume(tracee->threads.items[0], RUN_FREE, 0);
	while (event.kind != EVENT_EXIT && event.kind != EVENT_INTERRUPT) {
		tracee_next(tracee, &event);
		if (event.kind == EVENT_SIGNAL)
			thread_forward(event.thread, RUN_FREE);
		if (event.kind != EVENT_BREAKPOINT)
			continue;
		if ((modules_update(tracee) && tracee->loaded) || event.address == entry)
			return;
		if (!breakpoint_step_over(tracee, event.thread))
			thread_resume(event.thread, RUN_FREE, 0);
	}
}

static int places_of_tracee(struct tracee *tracee, const char *path, struct place_vec *places)
{
	int err = modules_init(tracee);

	if (err)
		return err;
	if (!tracee->loaded)
		run_until_loaded(tracee);
	if (!tracee->loaded)
		return err_set(CHOP_USAGE, ECHILD, "%s ended before its libraries were loaded",
			       path);
	for (size_t i = 0; i < tracee->modules.length; i++) {
		const struct module *module = tracee->modules.items[i];
		struct place *place = add_place(places, module->path);

		if (place)
			place->bias = module->bias;
	}
	return 0;
}

static int start(const char *path, struct place_vec *places)
{
	/* A file of this directory, which PATH need not have. */
	cleanup_free char *file = xasprintf("%s%s", strchr(path, '/') ? "" : "./", path);
	char *argv[] = { file, NULL };
	const struct spawn_options options = { .argv = argv };
	struct tracee tracee = { 0 };
	int err = tracee_spawn(&tracee, &options);

	if (!err) {
		err = places_of_tracee(&tracee, path, places);
		tracee_kill(&tracee);
	}
	tracee_release(&tracee);
	return err;
}

/* -- a running process ------------------------------------------------------------------- */

static bool known(const struct place_vec *places, const char *path)
{
	for (size_t i = 0; i < places->length; i++) {
		if (!strcmp(places->items[i].path, path))
			return true;
	}
	return false;
}

static uint64_t page(uint64_t address)
{
	return address & -(uint64_t)CHOP_PAGE_SIZE;
}

/* The bias that puts one of the image's segments where the mapping is. */
static bool find_bias(const struct image *image, const struct capture_mapping *mapping,
		      uint64_t *bias)
{
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];

		if (page(segment->offset) != mapping->offset)
			continue;
		*bias = mapping->start - page(segment->address);
		return true;
	}
	return false;
}

static void add_mapping(pid_t pid, const struct capture_mapping *mapping, struct place_vec *places)
{
	/* As the process sees its files: it may be in a container. */
	cleanup_free char *path = xasprintf("/proc/%d/root%s", pid, mapping->path);
	struct place *place;

	if (mapping->path[0] != '/' || known(places, mapping->path))
		return;
	place = add_place(places, path);
	if (!place)
		return;
	free(place->path);
	place->path = xstrdup(mapping->path);
	if (find_bias(&place->image, mapping, &place->bias))
		return;
	image_close(&place->image);
	free(place->path);
	places->length--;
}

/* Symbols are looked up in the program first, then in the order libraries were needed. */
static void order(pid_t pid, struct place_vec *places)
{
	cleanup_free char *exe = xasprintf("/proc/%d/exe", pid);
	cleanup_needed struct needed needed = { 0 };
	char program[PATH_MAX] = "";
	size_t next = 0;

	if (readlink(exe, program, sizeof(program) - 1) < 0)
		return;
	for (size_t k = 0; k <= needed.modules.length; k++) {
		const char *path = k ? needed.modules.items[k - 1].path : program;
		cleanup_free char *real = path ? realpath(path, NULL) : NULL;

		for (size_t i = next; real && i < places->length; i++) {
			struct place place = places->items[i];

			if (strcmp(place.path, real))
				continue;
			memmove(&places->items[next + 1], &places->items[next],
				(i - next) * sizeof(place));
			places->items[next++] = place;
			break;
		}
		if (!k && next)
			needed_find(&places->items[0].image, arch_library_levels(), &needed);
	}
}

static int attach(pid_t pid, struct place_vec *places)
{
	cleanup_free char *path = xasprintf("/proc/%d/maps", pid);
	cleanup_buf struct buf text = { 0 };
	cleanup_capture struct capture capture = { 0 };
	int err;

	if (access(path, F_OK))
		return err_set(CHOP_USAGE, ESRCH, "there is no process %d", pid);
	err = io_read_file(path, &text);
	if (!err)
		err = maps_read(buf_text(&text), text.length, path, &capture);
	if (err)
		return err;
	for (size_t i = 0; i < capture.maps.length; i++)
		add_mapping(pid, &capture.maps.items[i], places);
	order(pid, places);
	return 0;
}

/* -- what is printed ----------------------------------------------------------------------- */

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_module(const struct place *place, const char *name)
{
	cleanup_free char *real = realpath(name, NULL);

	return !name || !strcmp(place->path, name) || !strcmp(file_name(place->path), name) ||
	       (real && !strcmp(place->path, real));
}

static void print_place(const struct place *place)
{
	for (size_t i = 0; i < place->image.segments.length; i++) {
		const struct image_segment *segment = &place->image.segments.items[i];
		uint64_t at = place->bias + segment->address;

		printf("0x%" PRIx64 " 0x%" PRIx64 " %c%c%c 0x%" PRIx64 " %s\n", at,
		       at + segment->memory_size, segment->flags & 4 ? 'r' : '-',
		       segment->flags & 2 ? 'w' : '-', segment->flags & 1 ? 'x' : '-', place->bias,
		       place->path);
	}
}

/* As chop-marks-dyn-addr of ChopStiX told them. */
static void print_segments(const struct place *place, bool program)
{
	fprintf(stderr, "chop-marks-dyn-addr: name: \"%s\" (%zu segments)\n",
		program ? "" : place->path, place->image.segments.length);
	for (size_t i = 0; i < place->image.segments.length; i++) {
		const struct image_segment *segment = &place->image.segments.items[i];

		fprintf(stderr,
			"chop-marks-dyn-addr:   %2zu: [0x%" PRIx64 " (base: 0x%" PRIx64
			"); memsz: %6" PRIx64 "] flags: 0x%" PRIx32 "; PT_LOAD\n",
			i, place->bias + segment->address, place->bias, segment->memory_size,
			segment->flags);
	}
}

static int print_symbol(const struct place *place, const struct symbol *symbol)
{
	uint64_t address = symbol->address;

	if (symbol->kind == SYMBOL_TLS)
		return err_set(CHOP_USAGE, EINVAL,
			       "%s is a thread-local variable: it is elsewhere in each thread",
			       symbol->name);
	if (symbol->kind == SYMBOL_IFUNC) {
		address = ifunc_chosen(&place->image, symbol);
		if (!address)
			return err_set(CHOP_USAGE, EINVAL,
				       "%s is chosen when the program starts; chop marks lists its "
				       "implementations",
				       symbol->name);
	}
	log_verbose("%s is 0x%" PRIx64 " of %s", symbol->name, symbol->address, place->path);
	printf("0x%" PRIx64 "\n", place->bias + address);
	return 0;
}

static int find_symbol(const struct place_vec *places, const char *name, const char *module)
{
	bool any = false;

	for (size_t i = 0; i < places->length; i++) {
		const struct place *place = &places->items[i];
		size_t others = 0;
		const struct symbol *symbol;

		if (!is_module(place, module))
			continue;
		any = true;
		symbol = image_find(&place->image, name, &others);
		/* What a library does not export is found only where it was asked for. */
		if (!symbol || (i && !module && !symbol->dynamic))
			continue;
		if (others)
			return err_set(CHOP_USAGE, EINVAL,
				       "%s has %zu functions %s; chop marks lists their addresses",
				       place->path, others + 1, name);
		return print_symbol(place, symbol);
	}
	if (module && !any)
		return err_set(CHOP_USAGE, ENOENT, "there is no module %s", module);
	return err_set(CHOP_USAGE, ENOENT, "no symbol %s in %s%s", name,
		       module		? module
		       : places->length ? places->items[0].path
					: "the process",
		       module ? "" : " and its libraries");
}

/* Even a library can name an interpreter, to be run for its version. */
static bool is_library(const struct image *image)
{
	cleanup_dynamic struct dynamic dynamic = { 0 };

	dynamic_read(image, &dynamic);
	return image->type == ET_DYN && !dynamic.pie && (!image->interpreter || dynamic.soname);
}

/* The program alone, if that is where the symbol is and its place needs no start. */
static int from_file(const char *path, const char *name, struct place_vec *places, bool *enough)
{
	struct place place = { .path = NULL };
	int err = image_open(path, &place.image);

	if (err)
		return err;
	if (is_library(&place.image))
		err = err_set(
			CHOP_USAGE, ENOEXEC,
			"%s is a library: where it will be depends on the program; try chop maps "
			"PROGRAM, or -p PID",
			path);
	*enough = !err && load_bias(&place.image, &place.bias) &&
		  (!place.image.interpreter || (name && image_find(&place.image, name, NULL)));
	if (*enough) {
		place.path = xstrdup(path);
		*vec_push(places) = place;
	} else {
		image_close(&place.image);
	}
	return err;
}

static int show(const struct place_vec *places, const char *name, const struct options *options,
		bool compatible)
{
	bool any = false;

	if (!places->length)
		return err_set(CHOP_USAGE, ENOENT,
			       "process %" PRIu64 " has no program: it is a part of the kernel, or "
			       "has ended",
			       options->pid);
	if (compatible) {
		for (size_t i = 0; i < places->length; i++)
			print_segments(&places->items[i], i == 0);
		if (places->items[0].image.type == ET_EXEC && !places->items[0].image.interpreter) {
			printf("0\n");
			return 0;
		}
	}
	if (name)
		return find_symbol(places, name, options->module);
	for (size_t i = 0; i < places->length; i++) {
		if (!is_module(&places->items[i], options->module))
			continue;
		print_place(&places->items[i]);
		any = true;
	}
	return any ? 0 : err_set(CHOP_USAGE, ENOENT, "there is no module %s", options->module);
}

static int maps(const struct options *options, const struct strvec *words, bool compatible)
{
	const char *name = words->length + (options->pid > 0) > 1 ? *vec_last(words) : NULL;
	cleanup_free char *path = options->pid ? NULL : object_find(words->items[0]);
	struct place_vec places = { 0 };
	bool enough = false;
	int err = 0;

	if (options->pid) {
		err = attach((pid_t)options->pid, &places);
	} else {
		/* Whoever asks for segments wants those of the libraries, too. */
		err = from_file(path, compatible || options->module ? NULL : name, &places,
				&enough);
		if (!err && !enough)
			err = start(path, &places);
	}
	if (!err)
		err = show(&places, name, options, compatible);
	places_release(&places);
	return err;
}

int cmd_maps(int argc, char **argv)
{
	bool compatible = !strcmp(file_name(argv[0]), "chop-marks-dyn-addr");
	struct options options = { 0 };
	struct strvec rest = { 0 };
	size_t most, least;
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	least = options.pid ? 0 : 1;
	most = least + 1;
	if (rest.length < least || rest.length > most)
		status = cmd_usage("expected %s, got %zu word%s; chop maps --help tells more",
				   options.pid ? "at most SYMBOL" : "PROGRAM [SYMBOL]", rest.length,
				   rest.length == 1 ? "" : "s");
	else
		status = maps(&options, &rest, compatible);
	vec_release(&rest);
	return status;
}
