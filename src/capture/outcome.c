// SPDX-License-Identifier: Apache-2.0
/* What a session comes to, and what is said about it. */
#include <errno.h>
#include <inttypes.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "capture/session_state.h"

/* So many refusals are told one by one; the rest is counted. */
#define REFUSALS_TOLD 3

void outcome_tell(struct session *session)
{
	if (session->refusal)
		log_warn("%s", session->refusal);
	free(session->refusal);
	session->refusal = NULL;
}

/* The message is kept back: when it stays the only one, it is the result. */
void outcome_refused(struct session *session)
{
	if (session->result->refused++ < REFUSALS_TOLD) {
		outcome_tell(session);
		session->refusal = xstrdup(err_message());
		session->refusal_status = err_status();
	}
	err_clear();
}

static const char *region_name(const struct session *session)
{
	return session->options->function ? session->options->function : "the region";
}

/* Some of the wanted invocations were captured, and others did not come. */
static void warn_missing(const struct session *session)
{
	const struct index_ranges *indices = &session->options->indices;
	uint64_t last = indices->length ? index_ranges_last(indices) : 0;

	if (indices->length && !session->done_wanted && last >= session->result->reached)
		log_warn("%s was reached %" PRIu64 " times; invocation %" PRIu64 " never came",
			 region_name(session), session->result->reached, last);
	if (indices->length && session->inside)
		log_warn("%" PRIu64 " of the wanted invocations began inside a captured one and "
			 "are part of it",
			 session->inside);
}

static int nothing_captured(const struct session *session)
{
	const struct session_options *options = session->options;
	const struct session_result *result = session->result;

	if (!session->ever_found && session->not_here)
		return err_set(CHOP_USAGE, ENOENT, "%s", session->not_here);
	if (session_is_timed(session))
		return err_set(CHOP_DIFFERS, ENOENT,
			       "nothing captured: the program ended before the time came");
	if (!session->ever_found && options->module)
		return marks_missing(&session->tracee, options);
	if (!result->reached && session->tallies.length)
		return err_set(CHOP_DIFFERS, ENOENT,
			       "the region never began: 0x%" PRIx64 " was reached %" PRIu64
			       " times",
			       session->tallies.items[0].address,
			       tally_reached(&session->tallies.items[0], &session->tracee));
	if (!result->reached)
		return err_set(CHOP_DIFFERS, ENOENT, "%s was never reached",
			       options->function ? options->function : "the begin of the region");
	if (options->probability)
		return err_set(CHOP_DIFFERS, ENOENT,
			       "%s was reached %" PRIu64
			       " times; with this probability and seed none was chosen",
			       region_name(session), result->reached);
	if (!options->indices.length)
		return err_set(CHOP_DIFFERS, ENOENT, "nothing was captured");
	return err_set(CHOP_DIFFERS, ENOENT,
		       "%s was reached %" PRIu64 " time%s; invocation %" PRIu64 " never came",
		       region_name(session), result->reached, result->reached == 1 ? "" : "s",
		       options->indices.items[0].first);
}

int outcome_judge(struct session *session)
{
	const struct session_result *result = session->result;

	if (session->options->count_only) {
		log_info("%s was reached %" PRIu64 " time%s", region_name(session), result->reached,
			 result->reached == 1 ? "" : "s");
		return 0;
	}
	if (result->interrupted && !result->captured)
		return err_set(CHOP_DIFFERS, EINTR, "interrupted before anything was captured");
	if (result->refused == 1 && !result->captured)
		return err_set(session->refusal_status, ECANCELED, "%s", session->refusal);
	outcome_tell(session);
	if (result->refused > REFUSALS_TOLD)
		log_warn("%" PRIu64 " more invocations could not be captured",
			 result->refused - REFUSALS_TOLD);
	if (result->captured) {
		warn_missing(session);
		return 0;
	}
	if (result->refused)
		return err_set(session->refusal_status, ECANCELED,
			       "nothing captured: none of %" PRIu64 " invocations could be",
			       result->refused);
	return nothing_captured(session);
}
