// SPDX-License-Identifier: Apache-2.0
/* chop mrc: how a program would behave with any amount of memory. */
#include "cmd/mrc.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/curve.h"
#include "analysis/shards.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "fmt/curve_svg.h"

struct options {
	const char *policies, *memory, *csv, *svg, *reduce, *output;
	uint64_t block, process, points, sample_pages, keep;
	double sample;
	bool working_set, all, ifetch;
};

static const struct opt table[] = {
	OPT_TEXT('p', "policy", struct options, policies, "LIST",
		 "lru, fifo, clock, arc, opt, or all (lru)"),
	OPT_TEXT('m', "memory", struct options, memory, "SIZES",
		 "what would happen with these sizes: 64M,256M"),
	OPT_SIZE('b', "block", struct options, block, "SIZE",
		 "bytes of an object (the trace's page size; memory traces: 4096)", .min = 1,
		 .max = 1ULL << 40),
	OPT_NUMBER(0, "points", struct options, points, "N",
		   "sizes for each doubling of memory, in files (8)", .min = 1, .max = 1000),
	OPT_FLAG(0, "all", struct options, all, "every size there is, in files (lru only)"),
	OPT_FRACTION(0, "sample", struct options, sample, "P",
		     "estimate from this part of the objects (SHARDS), lru only"),
	OPT_NUMBER(0, "sample-pages", struct options, sample_pages, "N",
		   "estimate from at most N objects: bounded memory, lru only", .min = 100),
	OPT_FLAG(0, "ifetch", struct options, ifetch,
		 "instruction fetches count (-no-ifetch: do not)"),
	OPT_NUMBER(0, "process", struct options, process, "PID",
		   "of a page trace only this process (default: all, each with its own pages)",
		   .max = INT32_MAX),
	OPT_FLAG('w', "working-set", struct options, working_set,
		 "mean number of pages in use within a span of time"),
	OPT_HEADING("Output"),
	OPT_TEXT(0, "csv", struct options, csv, "FILE", "the curves as comma-separated values"),
	OPT_TEXT(0, "svg", struct options, svg, "FILE", "the curves as a picture"),
	OPT_TEXT(0, "reduce", struct options, reduce, "HOW",
		 "sad or olr: write a smaller trace that behaves the same for LRU memories\n"
		 "of --keep pages and more"),
	OPT_NUMBER(0, "keep", struct options, keep, "N", "pages, for --reduce", .min = 1,
		   .max = UINT32_MAX),
	OPT_TEXT('o', "output", struct options, output, "FILE",
		 "for --reduce: a page trace, or for NAME.vpn and - hexadecimal page numbers"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop mrc TRACE [options]",
	.about = "Miss-ratio curves, working sets and reductions of page traces (chop pages), "
		 "memory\n"
		 "traces (chop mem) and other tools' text (lackey, Dinero, VMTRACE, page numbers).",
	.options = table,
	.examples = "  chop mrc chop.pages --memory 16M,64M\n"
		    "  chop mrc lzma.mem --block 64 --policy all --svg lzma.svg\n"
		    "  chop mrc chop.pages --reduce olr --keep 256 -o small.vpn",
	.intermixed = true,
};

/* Everything that was asked for, ready. */
struct job {
	const struct options *options;
	struct references references;
	struct u64vec memory; /* sizes asked about, objects */
	bool policies[CACHE_POLICIES];
	struct u64vec shown; /* sizes in the text, objects */
	struct u64vec fine;  /* sizes in files */
	struct curve shown_curves[CACHE_POLICIES], curves[CACHE_POLICIES];
	size_t count;
	struct shards shards;
	bool sampled;
};

static void job_release(struct job *job)
{
	references_release(&job->references);
	vec_release(&job->memory);
	vec_release(&job->shown);
	vec_release(&job->fine);
	for (size_t i = 0; i < job->count; i++) {
		curve_release(&job->shown_curves[i]);
		curve_release(&job->curves[i]);
	}
	if (job->sampled)
		shards_release(&job->shards);
}

/* -- what was asked for ------------------------------------------------------------------- */

static int parse_policies(struct job *job, const char *text)
{
	cleanup_free char *copy = xstrdup(text ? text : "lru");
	char *rest = copy, *word;

	while ((word = strsep(&rest, ","))) {
		enum cache_policy policy;
		bool all = !strcmp(word, "all");

		if (!all && cache_policy_parse(word, &policy))
			return cmd_usage(
				"--policy: '%s' is none of lru, fifo, clock, arc, opt, all", word);
		for (int i = 0; i < CACHE_POLICIES; i++)
			job->policies[i] |= all || i == (int)policy;
	}
	return 0;
}

static int parse_memory(struct job *job, const char *text)
{
	cleanup_free char *copy = xstrdup(text ? text : "");
	char *rest = copy, *word;

	while (text && (word = strsep(&rest, ","))) {
		uint64_t bytes;
		int error = opt_size(word, &bytes);

		if (error)
			return error;
		if (bytes < job->references.block)
			return cmd_usage("--memory: %s is less than one page of %" PRIu64 " bytes",
					 word, job->references.block);
		*vec_push(&job->memory) = bytes / job->references.block;
	}
	return 0;
}

static int check(const struct options *options)
{
	bool sampled = options->sample < 1 || options->sample_pages;

	if (sampled && options->policies && strcasecmp(options->policies, "lru"))
		return cmd_usage("--sample and --sample-pages estimate LRU only");
	if (sampled && options->reduce)
		return cmd_usage("--reduce is exact: leave --sample out");
	if (!(options->sample > 0))
		return cmd_usage("--sample: expected a part of the pages above 0");
	if (options->all && options->policies && strcasecmp(options->policies, "lru"))
		return cmd_usage("--all is for LRU only: the others are simulated size by size");
	if (!options->reduce != !options->keep || (options->reduce && !options->output))
		return cmd_usage("--reduce, --keep and -o belong together");
	if (options->reduce && strcmp(options->reduce, "sad") && strcmp(options->reduce, "olr"))
		return cmd_usage("--reduce: '%s' is neither sad nor olr", options->reduce);
	return 0;
}

/* -- computing ------------------------------------------------------------------------------ */

/* Powers of two, from the first that is valid to the first that holds everything. */
static void choose_sizes(struct job *job)
{
	uint64_t objects = stream_objects(&job->references.stream);
	uint64_t largest = 1, whole = (uint64_t)ceil((double)objects / job->references.rate);

	while (largest < whole)
		largest *= 2;
	for (uint64_t size = 1; size <= largest; size *= 2) {
		if (size >= job->references.valid_from || size == largest)
			*vec_push(&job->shown) = size;
	}
	if (!job->options->all) {
		curve_sizes(whole, (unsigned int)job->options->points, &job->fine);
		return;
	}
	for (uint64_t size = 1; size <= whole; size++)
		*vec_push(&job->fine) = size;
}

static void estimate(struct job *job, const struct u64vec *sizes, struct curve *curve)
{
	curve->policy = CACHE_LRU;
	for (size_t i = 0; i < sizes->length; i++) {
		struct curve_point point = { .size = sizes->items[i] };

		point.misses = shards_misses(&job->shards, point.size, &point.error);
		*vec_push(&curve->points) = point;
	}
}

static void compute(struct job *job)
{
	const struct stream *stream = &job->references.stream;
	uint64_t *next = job->policies[CACHE_OPT] ? stream_next_use(stream) : NULL;
	bool files = job->options->csv || job->options->svg;

	for (int i = 0; i < CACHE_POLICIES; i++) {
		struct curve *shown = &job->shown_curves[job->count],
			     *fine = &job->curves[job->count];

		if (!job->policies[i])
			continue;
		job->count++;
		if (job->sampled) {
			estimate(job, &job->shown, shown);
			estimate(job, &job->fine, fine);
			continue;
		}
		curve_compute(shown, stream, next, (enum cache_policy)i, &job->shown);
		if (files)
			curve_compute(fine, stream, next, (enum cache_policy)i, &job->fine);
		fine->policy = (enum cache_policy)i;
	}
	free(next);
}

/* References a miss ratio is a part of: all, or what the sample stands for. */
static double denominator(const struct job *job)
{
	return (double)job->references.stream.references / job->references.rate;
}

/* -- files ---------------------------------------------------------------------------------- */

static void csv(const struct job *job, struct buf *out)
{
	buf_add_text(out, "policy,size,bytes,misses,miss_ratio,standard_error,valid\n");
	for (size_t i = 0; i < job->count; i++) {
		const struct curve *curve = &job->curves[i];

		for (size_t k = 0; k < curve->points.length; k++) {
			const struct curve_point *point = &curve->points.items[k];

			buf_printf(out, "%s,%" PRIu64 ",%" PRIu64 ",%.15g,%.9g,%.6g,%d\n",
				   cache_policy_name(curve->policy), point->size,
				   point->size * job->references.block, point->misses,
				   point->misses / denominator(job), point->error,
				   point->size >= job->references.valid_from);
		}
	}
}

static void picture(const struct job *job, const char *path, struct buf *out)
{
	cleanup_free char *title =
		xasprintf("%s: miss ratio of %.0f references", path, denominator(job));
	const struct curve_svg svg = {
		.title = title,
		.block = (double)job->references.block,
		.references = denominator(job),
		.valid_from = (double)job->references.valid_from,
		.curves = job->curves,
		.count = job->count,
	};

	curve_svg(&svg, out);
}

static int write_files(const struct job *job, const char *path)
{
	cleanup_buf struct buf text = { 0 };
	int error = 0;

	if (job->options->csv) {
		if (job->references.slices.length)
			mrc_csv_slices(&job->references, &text);
		else
			csv(job, &text);
		error = mrc_write_file(job->options->csv, &text);
	}
	buf_reset(&text);
	if (!error && job->options->svg) {
		picture(job, path, &text);
		error = mrc_write_file(job->options->svg, &text);
	}
	return error;
}

/* -- text ----------------------------------------------------------------------------------- */

static void show_table(const struct job *job)
{
	char size[32];

	printf("\n%10s %12s", "memory",
	       job->references.format == REFERENCES_MEMORY ? "blocks" : "pages");
	for (size_t i = 0; i < job->count; i++)
		printf(" %14s misses", cache_policy_name(job->shown_curves[i].policy));
	printf("\n");
	for (size_t k = 0; k < job->shown.length; k++) {
		uint64_t pages = job->shown.items[k];

		printf("%10s %12" PRIu64, mrc_size(pages * job->references.block, size), pages);
		for (size_t i = 0; i < job->count; i++) {
			const struct curve_point *point = &job->shown_curves[i].points.items[k];

			printf(" %12.0f %6.2f %%", point->misses,
			       point->misses / denominator(job) * 100);
			if (job->sampled)
				printf(" +- %.2f", 2 * point->error / denominator(job) * 100);
		}
		printf("%s\n", pages < job->references.valid_from ? "  (not valid)" : "");
	}
}

static struct curve_point at_size(struct job *job, enum cache_policy policy, uint64_t size,
				  const uint64_t *next)
{
	struct u64vec sizes = { .items = &size, .length = 1 };
	struct curve curve = { 0 };
	struct curve_point point;

	if (job->sampled)
		estimate(job, &sizes, &curve);
	else
		curve_compute(&curve, &job->references.stream, next, policy, &sizes);
	point = curve.points.items[0];
	curve_release(&curve);
	return point;
}

/* "with 64 MB: 1.2 % misses (LRU)" */
static void show_what_if(struct job *job)
{
	const struct stream *stream = &job->references.stream;
	uint64_t *next = job->policies[CACHE_OPT] ? stream_next_use(stream) : NULL;
	double seconds = (double)job->references.end_time / 1e9;
	char size[32];

	if (job->memory.length)
		printf("\n");
	for (size_t i = 0; i < job->memory.length; i++) {
		uint64_t pages = job->memory.items[i];
		int first = 0;

		printf("with %s:", mrc_size(pages * job->references.block, size));
		for (int p = 0; p < CACHE_POLICIES; p++) {
			struct curve_point point;

			if (!job->policies[p])
				continue;
			point = at_size(job, (enum cache_policy)p, pages, next);
			printf("%s %s %.3g %% misses", first++ ? "," : "",
			       cache_policy_name((enum cache_policy)p),
			       point.misses / denominator(job) * 100);
			if (seconds > 0)
				printf(" (%.*f a second)", point.misses < 10 * seconds ? 2 : 0,
				       point.misses / seconds);
		}
		printf("%s\n", pages < job->references.valid_from
				       ? ", but the trace is not valid for so little"
				       : "");
	}
	free(next);
}

static void tell_problems(const struct job *job, const char *path)
{
	const struct references *references = &job->references;

	if (references->incomplete)
		log_warn("%s: %s", path, references->incomplete);
	if (references->lost)
		log_warn("%s: %" PRIu64 " references were lost while it was recorded", path,
			 references->lost);
	if (references->unknown_lines)
		log_warn("%s: %" PRIu64 " lines were not understood and left out", path,
			 references->unknown_lines);
}

/* Slices have no order of references within them: no curve can be had from that. */
static int check_slices(const struct options *options, const char *path)
{
	if (!options->svg && !options->reduce && !options->memory && !options->policies)
		return 0;
	return err_set(CHOP_USAGE, EINVAL,
		       "%s was recorded in slices, which give no curves: only --csv and "
		       "--working-set; record it without --interval",
		       path);
}

/* Each of the groups the errors come from should have a few. */
static void check_sample(const struct job *job)
{
	uint64_t objects = job->shards.objects;

	if (job->sampled && objects < 16 * SHARDS_GROUPS)
		log_warn("only %" PRIu64 " pages are in the sample: estimates are uncertain, and "
			 "so are their errors",
			 objects);
}

static int work(struct job *job, const char *path)
{
	const struct options *options = job->options;
	int error = job->references.slices.length ? check_slices(options, path) : 0;

	if (error)
		return error;
	choose_sizes(job);
	job->sampled = options->sample < 1 || options->sample_pages || job->references.rate < 1;
	if (job->sampled)
		shards_run(&job->shards, &job->references.stream, options->sample,
			   options->sample_pages, job->references.rate);
	check_sample(job);
	if (job->references.slices.length) {
		mrc_show_slices(&job->references);
	} else {
		compute(job);
		show_table(job);
		show_what_if(job);
	}
	if (options->working_set)
		mrc_show_working_set(&job->references);
	error = write_files(job, path);
	if (!error && options->reduce)
		error = mrc_reduce(&job->references, options->reduce, options->keep,
				   options->output);
	return error;
}

static int run(const struct options *options, const char *path)
{
	struct job job = { .options = options };
	const struct references_options how = {
		.block = options->block,
		.process = (uint32_t)options->process,
		.fetches = options->ifetch,
	};
	int error = parse_policies(&job, options->policies);

	if (!error)
		error = references_read(&job.references, path, &how);
	if (!error)
		error = parse_memory(&job, options->memory);
	if (!error && !job.references.stream.references)
		error = err_set(CHOP_USAGE, EINVAL, "%s holds no references%s%s%s", path,
				options->process ? " of that process" : "",
				job.references.incomplete ? ": " : "",
				job.references.incomplete ? job.references.incomplete : "");
	if (!error) {
		tell_problems(&job, path);
		mrc_show_summary(&job.references, path);
		error = work(&job, path);
	}
	job_release(&job);
	return error;
}

int cmd_mrc(int argc, char **argv)
{
	struct options options = { .points = 8, .sample = 1, .ifetch = true };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	status = check(&options);
	if (!status && rest.length != 1)
		status = cmd_usage("expected one trace, of chop pages or chop mem");
	if (!status)
		status = run(&options, rest.items[0]);
	vec_release(&rest);
	return status;
}
