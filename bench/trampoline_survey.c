// SPDX-License-Identifier: Apache-2.0
/*
 * trampoline_survey FILE...: the share of the functions of each ELF file that a jump can be
 * patched into, and why not for the others; how long it took to find out.
 * -v names the functions that cannot be patched.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/trampoline_site.h"

struct survey {
	size_t functions, fine, data, branches, calls, padded, loops;
	size_t reasons[RELOCATE_UNMOVABLE + 1];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void count(const struct trampoline_site *site, struct survey *survey)
{
	const struct relocate_plan *plan = &site->plan;

	survey->reasons[site->reason]++;
	survey->loops += site->loops;
	if (site->reason)
		return;
	if (plan->padded)
		survey->padded++;
	else if (plan->branches)
		survey->branches++;
	else if (plan->calls)
		survey->calls++;
	else if (plan->relative_data)
		survey->data++;
	else
		survey->fine++;
}

static void show(const char *name, const struct survey *survey, double milliseconds)
{
	double all = (double)survey->functions / 100;

	printf("%-24.24s %6zu  %6.2f  %5.1f %5.1f %5.1f %5.1f %5.1f ", name, survey->functions,
	       (double)survey->reasons[RELOCATE_OK] / all, (double)survey->fine / all,
	       (double)survey->data / all, (double)survey->branches / all,
	       (double)survey->calls / all, (double)survey->padded / all);
	for (int reason = RELOCATE_SHORT; reason <= RELOCATE_UNMOVABLE; reason++)
		printf(" %4zu", survey->reasons[reason]);
	printf(" %5zu  %6.1f\n", survey->loops, milliseconds);
}

static void name_refused(const struct image *image, const struct trampoline_site *site)
{
	const struct symbol *symbol = image_symbol_at(image, site->address);

	printf("    %" PRIx64 " %s: %s\n", site->address, symbol ? symbol->name : "?",
	       relocate_reason_text(site->reason));
}

static int survey_file(const char *path, bool verbose)
{
	cleanup_image struct image image = { 0 };
	struct u64vec functions = { 0 };
	struct trampoline_site *sites;
	struct survey survey = { 0 };
	const char *slash = strrchr(path, '/');
	double start;

	if (image_open(path, &image)) {
		fprintf(stderr, "trampoline_survey: %s\n", err_message());
		return 1;
	}
	trampoline_functions(&image, &functions);
	survey.functions = functions.length;
	sites = xcalloc(functions.length + 1, sizeof(*sites));
	for (size_t i = 0; i < functions.length; i++)
		sites[i].address = functions.items[i];
	start = now();
	trampoline_sites(&image, sites, functions.length);
	start = now() - start;
	for (size_t i = 0; i < functions.length; i++)
		count(&sites[i], &survey);
	show(slash ? slash + 1 : path, &survey, start);
	for (size_t i = 0; verbose && i < functions.length; i++) {
		if (sites[i].reason)
			name_refused(&image, &sites[i]);
	}
	free(sites);
	vec_release(&functions);
	return 0;
}

int main(int argc, char **argv)
{
	bool verbose = argc > 1 && !strcmp(argv[1], "-v");
	int status = 0;

	printf("%-24s %6s %7s  %5s %5s %5s %5s %5s  %s\n", "file", "funcs", "% ok", "copy", "data",
	       "branch", "call", "short",
	       "refused: short target undec trap return unmov; loops; ms");
	for (int i = 1 + verbose; i < argc; i++)
		status |= survey_file(argv[i], verbose);
	return status;
}
