// SPDX-License-Identifier: Apache-2.0
#include "cmd/mem_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/progress.h"
#include "cmd/live.h"
#include "memtrace/analyse.h"
#include "memtrace/atlas.h"

#define BATCH	      4096
#define STRIDES_SHOWN 8

/* Accesses by name. */
struct named {
	char *name;
	uint64_t accesses;
};
struct names {
	struct named_vec VEC_BODY(struct named) list;
};

static void add_name(struct names *names, const char *name, uint64_t accesses)
{
	for (size_t i = 0; i < names->list.length; i++) {
		if (!strcmp(names->list.items[i].name, name)) {
			names->list.items[i].accesses += accesses;
			return;
		}
	}
	*vec_push(&names->list) = (struct named){ xstrdup(name), accesses };
}

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->accesses != y->accesses)
		return (x->accesses < y->accesses) - (x->accesses > y->accesses);
	return strcmp(x->name, y->name);
}

static void print_names(struct names *names, const char *title, uint64_t top)
{
	printf("\n%s\n", title);
	vec_sort(&names->list, compare_named);
	for (size_t i = 0; i < names->list.length; i++) {
		if (i < top)
			printf("%14" PRIu64 "  %s\n", names->list.items[i].accesses,
			       names->list.items[i].name);
		free(names->list.items[i].name);
	}
	vec_release(&names->list);
}

/* "function (module)", "[heap]", "anonymous memory", "?" */
static char *name_of(struct atlas *atlas, uint64_t address)
{
	struct atlas_place place;

	if (!atlas_find(atlas, address, &place))
		return xstrdup("?");
	if (place.symbol)
		return xasprintf("%s (%s)", place.symbol, place.name);
	return xstrdup(place.name[0] ? place.name : "anonymous memory");
}

static void print_totals(const struct analysis *a)
{
	printf("%" PRIu64 " instructions, %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64
	       " bytes\nfootprint: %zu lines of %" PRIu64 " bytes, %" PRIu64
	       " pages, %zu instructions with accesses\n",
	       a->instructions, a->reads, a->writes, a->bytes, a->lines.length, a->line, a->pages,
	       a->insns.length);
}

static void print_distances(const struct analysis *a)
{
	unsigned int last = 0;

	for (unsigned int b = 0; b < ANALYSE_BUCKETS; b++)
		last = a->distances[b] ? b : last;
	printf("\nreuse distance: different lines touched since, this one included; touches\n");
	printf("%14s  %" PRIu64 "\n", "first", a->distances[0]);
	for (unsigned int b = 1; b <= last; b++)
		printf("%14" PRIu64 "  %" PRIu64 "\n", (uint64_t)1 << (b - 1), a->distances[b]);
}

static void print_working_set(const struct analysis *a)
{
	printf("\nworking set: window of %" PRIu64 " references, lines touched in it\n", a->window);
	for (size_t i = 0; i < a->working_set.length; i++)
		printf("%14zu  %" PRIu64 "\n", i, a->working_set.items[i]);
}

static void print_strides(const struct analysed_insn *insn)
{
	uint64_t other = insn->other;

	for (unsigned int i = 0; i < ANALYSE_STRIDES && insn->strides[i].count; i++) {
		if (i < STRIDES_SHOWN)
			printf(" %+" PRId64 ":%" PRIu64, insn->strides[i].stride,
			       insn->strides[i].count);
		else
			other += insn->strides[i].count;
	}
	if (other)
		printf(" other:%" PRIu64, other);
	putchar('\n');
}

static void print_insns(const struct analysis *a, struct atlas *atlas, uint64_t top)
{
	printf("\nhottest instructions: accesses, reads, writes, where, stride in bytes:count\n");
	for (size_t i = 0; i < a->insns.length && i < top; i++) {
		const struct analysed_insn *insn = &a->insns.items[i];
		struct atlas_place place;
		bool known = atlas_find(atlas, insn->ip, &place) && place.module;

		printf("%14" PRIu64 " %" PRIu64 " %" PRIu64 "  ", insn->reads + insn->writes,
		       insn->reads, insn->writes);
		if (known && place.symbol)
			printf("%s+%#" PRIx64 " (%s %#" PRIx64 ")", place.symbol, place.offset,
			       place.name, place.address);
		else if (known)
			printf("%s %#" PRIx64, place.name, place.address);
		else
			printf("%#" PRIx64, insn->ip);
		print_strides(insn);
	}
}

static void print(const struct analysis *a, struct atlas *atlas, uint64_t top)
{
	struct names functions = { 0 }, objects = { 0 };

	print_totals(a);
	print_distances(a);
	print_working_set(a);
	print_insns(a, atlas, top);
	for (size_t i = 0; i < a->insns.length; i++) {
		cleanup_free char *name = name_of(atlas, a->insns.items[i].ip);

		add_name(&functions, name, a->insns.items[i].reads + a->insns.items[i].writes);
	}
	for (size_t i = 0; i < a->lines.length; i++) {
		cleanup_free char *name = name_of(atlas, a->lines.items[i].address);

		add_name(&objects, name, a->lines.items[i].accesses);
	}
	print_names(&functions, "hottest functions: accesses by their instructions", top);
	print_names(&objects, "hottest objects: touches of their lines", top);
}

static int read_all(struct chop_mem_reader *reader, struct analysis *a)
{
	static struct chop_mem_record records[BATCH];
	long got = 0;

	chop_mem_select(reader, 1U << CHOP_MEM_READ | 1U << CHOP_MEM_WRITE | 1U << CHOP_MEM_FETCH);
	while (!live_interrupted && (got = chop_mem_read(reader, records, BATCH)) > 0) {
		for (long i = 0; i < got; i++)
			analysis_add(a, &records[i]);
		progress_show("%.1f million references", (double)(a->reads + a->writes) / 1e6);
	}
	progress_clear();
	return got < 0 ? err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(reader)) : 0;
}

static void warn(const struct chop_mem_info *info)
{
	if (info->sample_period)
		log_warn("this trace is sampled: distances across the gaps are too small");
	if (info->outcome != CHOP_MEM_COMPLETE)
		log_warn("this trace ends before its region does: %s", info->text);
}

int mem_report(const char *path, const struct mem_report_options *options)
{
	struct chop_mem_reader *reader;
	struct analysis a;
	struct atlas *atlas;
	int error = 0;

	analysis_init(&a, options->line, options->window);
	if (chop_mem_open(path, options->partial ? CHOP_MEM_PARTIAL : 0, &reader))
		error = err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(reader));
	if (!error)
		error = read_all(reader, &a);
	if (!error) {
		analysis_finish(&a);
		atlas = atlas_open(chop_mem_info(reader)->description);
		print(&a, atlas, options->top);
		atlas_close(atlas);
		warn(chop_mem_info(reader));
		if (live_interrupted)
			log_warn("interrupted: this is not the whole trace");
	}
	analysis_release(&a);
	chop_mem_close(reader);
	return error || !live_interrupted ? error : live_interrupted_status();
}
