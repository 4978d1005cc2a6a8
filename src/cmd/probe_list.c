// SPDX-License-Identifier: Apache-2.0
#include "cmd/probe_list.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/calls.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "cmd/cmd.h"
#include "elf/cxx.h"
#include "elf/usdt.h"
#include "elf/variables.h"

/* -- functions and static points of a file ----------------------------------------------------- */

static void list_arguments(const struct usdt *point)
{
	struct point_arg arg = { 0 };
	int error;

	for (unsigned int i = 0; (error = usdt_argument(point->arguments, i, &arg)) != -ENOENT; i++)
		printf("%sarg%u %s%u", i ? ", " : "", i, arg.fetch.is_signed ? "s" : "u",
		       error ? 0 : arg.fetch.size * 8u);
}

static bool same_point(const struct usdt *a, const struct usdt *b)
{
	return !strcmp(a->provider, b->provider) && !strcmp(a->name, b->name);
}

static size_t list_usdt(const struct image *image, const char *provider, const char *name)
{
	struct usdt_vec points;
	size_t count = 0, sites;

	usdt_read(image, &points);
	for (size_t i = 0; i < points.length; i += sites) {
		const struct usdt *point = &points.items[i];

		for (sites = 1; i + sites < points.length && same_point(point, point + sites);)
			sites++;
		if (fnmatch(provider, point->provider, 0) || fnmatch(name, point->name, 0))
			continue;
		count++;
		printf("usdt:%s:%s:%s(", image->path, point->provider, point->name);
		list_arguments(point);
		printf(")%s", point->semaphore ? " semaphore" : "");
		if (sites > 1)
			printf(" %zu sites", sites);
		putchar('\n');
	}
	vec_release(&points);
	return count;
}

static void list_function(const struct image *image, const struct symbol *symbol)
{
	cleanup_free char *decoded = cxx_demangle(symbol->name);
	struct strvec names = { 0 };

	printf("u:%s:%s", image->path, decoded ? decoded : symbol->name);
	variable_parameters(image, symbol->address, &names);
	if (names.length) {
		putchar('(');
		for (size_t i = 0; i < names.length; i++)
			printf("%s%s", i ? ", " : "", names.items[i]);
		putchar(')');
	}
	putchar('\n');
	vec_release(&names);
}

static size_t list_functions(const struct image *image, const char *pattern)
{
	uint64_t last = UINT64_MAX;
	size_t count = 0;

	for (size_t i = 0; i < image->symbols.length; i++) {
		const struct symbol *symbol = &image->symbols.items[i];

		if (symbol->kind != SYMBOL_FUNCTION || symbol->address == last ||
		    strstr(symbol->name, ".cold") || !cxx_fits(pattern, symbol->name))
			continue;
		last = symbol->address;
		count++;
		list_function(image, symbol);
	}
	return count;
}

static int list_file(const char *file, const char *pattern, bool functions, bool points,
		     const struct points_options *options)
{
	cleanup_free char *path = point_file(file, options);
	cleanup_free char *provider = NULL;
	cleanup_image struct image image = { 0 };
	const char *colon = strchr(pattern, ':'), *name = pattern;
	size_t count = 0;

	if (!path)
		return -ENOENT;
	if (image_open(path, &image))
		return -EINVAL;
	if (functions)
		count += list_functions(&image, *pattern ? pattern : "*");
	if (colon) {
		provider = xstrndup(pattern, (size_t)(colon - pattern));
		name = colon + 1;
	}
	if (points)
		count += list_usdt(&image, provider && *provider ? provider : "*",
				   *name ? name : "*");
	if (count)
		return 0;
	return err_set(CHOP_USAGE, ENOENT, "%s has no %s%s%s", path,
		       functions ? "functions with names" : "static probe points",
		       *pattern ? " that match " : "", pattern);
}

/* -- the kernel ------------------------------------------------------------------------------------ */

static void list_fields(const struct tracepoint_name *name)
{
	struct trace_format format;

	if (trace_format_read(tracefs_path(), name->category, name->name, &format)) {
		err_clear();
		return;
	}
	for (size_t i = 0; i < format.fields.length; i++) {
		const struct trace_field *field = &format.fields.items[i];

		printf("    %s %s", field->type, field->name);
		if (field->is_text)
			printf("[%u]", field->size);
		putchar('\n');
	}
	trace_format_release(&format);
}

static int list_tracepoints(const char *what)
{
	const char *colon = strchr(what, ':');
	cleanup_free char *category = xstrndup(what, strcspn(what, ":"));
	struct tracepoint_names names;
	int error = tracepoints_find(*category ? category : "*",
				     colon && colon[1] ? colon + 1 : "*", &names);

	if (error)
		return error;
	for (size_t i = 0; i < names.length; i++) {
		printf("t:%s:%s\n", names.items[i].category, names.items[i].name);
		/* One category at most is shown in full. */
		if (*category)
			list_fields(&names.items[i]);
	}
	if (!names.length)
		error = err_set(CHOP_USAGE, ENOENT, "this kernel has no tracepoint %s", what);
	tracepoint_names_release(&names);
	return error;
}

static int list_kernel(const char *pattern)
{
	struct kernel_names names = { 0 };
	int error = kernel_names_read(&names);
	size_t count = 0;

	for (size_t i = 0; i < names.names.length; i++) {
		if (*pattern && fnmatch(pattern, names.names.items[i], 0))
			continue;
		printf("k:%s\n", names.names.items[i]);
		count++;
	}
	if (!error && !count)
		error = err_set(CHOP_USAGE, ENOENT, "the kernel has no function %s", pattern);
	kernel_names_release(&names);
	return error;
}

/* Which function of the kernel does a system call. */
static int list_call(const char *pattern)
{
	struct kernel_names names = { 0 };
	int error = kernel_names_read(&names);
	size_t count = 0;

	for (long number = 0; number < CHOP_CALLS && !error; number++) {
		const struct call *call = call_find(number);
		const char *symbol;

		if (!call || fnmatch(*pattern ? pattern : "*", call->name, 0))
			continue;
		symbol = kernel_call_symbol(&names, call->name);
		count++;
		if (symbol)
			printf("%s k:%s\n", call->name, symbol);
		else
			printf("%s: this kernel does not have it\n", call->name);
	}
	if (!error && !count)
		error = err_set(CHOP_USAGE, ENOENT, "there is no system call %s", pattern);
	kernel_names_release(&names);
	return error;
}

int probe_list(const char *what, const struct points_options *options)
{
	const char *colon = strchr(what, ':');
	size_t length = colon ? (size_t)(colon - what) : 0;
	const char *rest = colon ? colon + 1 : "";
	const char *pattern = strchr(rest, ':');
	cleanup_free char *file = xstrndup(rest, strcspn(rest, ":"));

	pattern = pattern ? pattern + 1 : "";
	if (length == 1 && *what == 't')
		return list_tracepoints(rest);
	if (length == 1 && *what == 'k')
		return list_kernel(rest);
	if (length == 4 && !strncmp(what, "call", 4))
		return list_call(rest);
	if (length == 1 && *what == 'u')
		return list_file(file, pattern, true, false, options);
	if (length == 4 && !strncmp(what, "usdt", 4))
		return list_file(file, pattern, false, true, options);
	return list_file(what, "", true, true, options);
}
