// SPDX-License-Identifier: Apache-2.0
/* Clocks and the time of day. */
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include "event/decode_print.h"

static void ticks(struct decode *d, const char *name, long value)
{
	dec_printf(d, "%s=%lld", name, (long long)value);
	if (value)
		dec_printf(d, " /* %.2f s */", (double)value / (double)sysconf(_SC_CLK_TCK));
}

static void tms_item(struct decode *d, const uint8_t *data)
{
	ticks(d, "{tms_utime", DEC_GET(long, data, 0));
	ticks(d, ", tms_stime", DEC_GET(long, data, 8));
	ticks(d, ", tms_cutime", DEC_GET(long, data, 16));
	ticks(d, ", tms_cstime", DEC_GET(long, data, 24));
	dec_text(d, "}");
}

static void timex_item(struct decode *d, const uint8_t *data)
{
	struct timex t;

	memcpy(&t, data, sizeof(t));
	dec_text(d, "{modes=");
	dec_names(d, &call_names_adj_modes, t.modes);
	dec_printf(d, ", offset=%lld, freq=%lld, maxerror=%llu, esterror=%llu, status=",
		   (long long)t.offset, (long long)t.freq, (unsigned long long)t.maxerror,
		   (unsigned long long)t.esterror);
	dec_names(d, &call_names_adj_status, (unsigned int)t.status);
	dec_printf(d, ", constant=%lld, precision=%llu, tolerance=%lld", (long long)t.constant,
		   (unsigned long long)t.precision, (long long)t.tolerance);
	dec_printf(d, ", time={tv_sec=%lld, tv_usec=%lld}, tick=%lld", (long long)t.time.tv_sec,
		   (long long)t.time.tv_usec, (long long)t.tick);
	dec_printf(d, ", ppsfreq=%lld, jitter=%lld, shift=%d, stabil=%lld, jitcnt=%lld",
		   (long long)t.ppsfreq, (long long)t.jitter, t.shift, (long long)t.stabil,
		   (long long)t.jitcnt);
	dec_printf(d, ", calcnt=%lld, errcnt=%lld, stbcnt=%lld, tai=%d}", (long long)t.calcnt,
		   (long long)t.errcnt, (long long)t.stbcnt, t.tai);
}

static void timex_exit(struct decode *d)
{
	struct decode note = *d;

	dec_rest(d);
	note.out = &d->call->note;
	if (!dec_failed(d))
		dec_names(&note, &call_names_time_state, (uint64_t)d->call->call.result);
}

static void time_exit(struct decode *d)
{
	int64_t when;

	dec_arg_begin(d, "tloc");
	if (dec_failed(d) || !dec_read(d, dec_arg(d, 0), &when, sizeof(when))) {
		dec_address(d, dec_arg(d, 0));
	} else {
		dec_printf(d, "[%lld", (long long)when);
		dec_dated(d, when, 0, 0);
		dec_text(d, "]");
	}
	dec_arg_end(d);
	dec_skip(d);
	if (!dec_failed(d) && d->call->call.result) {
		struct decode note = *d;

		note.out = &d->call->note;
		dec_date(&note, d->call->call.result, 0, 0);
	}
}

static const struct dec_type types[] = {
	{ "tms", tms_item, NULL },
	{ "timex", timex_item, NULL },
	{ NULL, NULL, NULL },
};

static const struct dec_call calls[] = {
	{ "adjtimex", NULL, timex_exit },
	{ "clock_adjtime", NULL, timex_exit },
	{ "time", NULL, time_exit },
	{ NULL, NULL, NULL },
};

const struct dec_family dec_time = { types, calls };
