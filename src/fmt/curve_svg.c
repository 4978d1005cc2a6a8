// SPDX-License-Identifier: Apache-2.0
#include "fmt/curve_svg.h"

#include <math.h>
#include <stdio.h>

#define WIDTH  760.0
#define HEIGHT 460.0
#define LEFT   70.0
#define RIGHT  20.0
#define TOP    50.0
#define BOTTOM 60.0

/* Colours that differ in lightness, too (Okabe and Ito). */
static const char *const colours[CACHE_POLICIES] = {
	[CACHE_LRU] = "#0072b2", [CACHE_FIFO] = "#e69f00", [CACHE_CLOCK] = "#009e73",
	[CACHE_ARC] = "#cc79a7", [CACHE_OPT] = "#000000",
};

struct frame {
	const struct curve_svg *svg;
	struct buf *out;
	double low, high; /* log2 of the smallest and largest size, bytes */
	double top;	  /* miss ratio at the upper edge */
};

static double x_of(const struct frame *frame, double objects)
{
	double at = log2(objects * frame->svg->block), span = frame->high - frame->low;

	return LEFT + (at - frame->low) / (span > 0 ? span : 1) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct frame *frame, double misses)
{
	double ratio = frame->svg->references > 0 ? misses / frame->svg->references : 0;

	return HEIGHT - BOTTOM - ratio / frame->top * (HEIGHT - TOP - BOTTOM);
}

static void escape(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			buf_add_text(out, "&lt;");
		else if (*text == '&')
			buf_add_text(out, "&amp;");
		else if ((unsigned char)*text >= ' ')
			buf_add_char(out, *text);
	}
}

static void label(struct buf *out, double x, double y, const char *anchor, const char *text)
{
	buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
	escape(out, text);
	buf_add_text(out, "</text>\n");
}

static void line(struct buf *out, double x1, double y1, double x2, double y2, const char *style)
{
	buf_printf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2,
		   y2, style);
}

/* Bounds: all sizes, and the largest ratio that is shown, rounded up. */
static void measure(struct frame *frame)
{
	double largest = 0;

	frame->low = INFINITY;
	frame->high = -INFINITY;
	for (size_t i = 0; i < frame->svg->count; i++) {
		const struct curve *curve = &frame->svg->curves[i];

		for (size_t k = 0; k < curve->points.length; k++) {
			double bytes = (double)curve->points.items[k].size * frame->svg->block;

			frame->low = fmin(frame->low, log2(bytes));
			frame->high = fmax(frame->high, log2(bytes));
			largest = fmax(largest, curve->points.items[k].misses);
		}
	}
	if (!(frame->low <= frame->high))
		frame->low = frame->high = 12;
	frame->top = frame->svg->references > 0 ? largest / frame->svg->references : 1;
	frame->top = frame->top > 0.5 ? 1 : frame->top > 0 ? frame->top * 1.1 : 1;
}

static void axes(struct frame *frame)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
	int step = 1 + (int)((frame->high - frame->low) / 12);
	char text[32];

	for (int i = (int)ceil(frame->low); i <= (int)floor(frame->high); i += step) {
		double x = x_of(frame, exp2(i) / frame->svg->block);

		line(frame->out, x, TOP, x, HEIGHT - BOTTOM, "stroke=\"#ddd\"");
		snprintf(text, sizeof(text), "%d %s", 1 << i % 10, units[i / 10]);
		label(frame->out, x, HEIGHT - BOTTOM + 18, "middle", text);
	}
	for (int i = 0; i <= 5; i++) {
		double y = HEIGHT - BOTTOM - i / 5.0 * (HEIGHT - TOP - BOTTOM);

		line(frame->out, LEFT, y, WIDTH - RIGHT, y, "stroke=\"#ddd\"");
		snprintf(text, sizeof(text), "%.3g %%", frame->top * i / 5 * 100);
		label(frame->out, LEFT - 6, y + 4, "end", text);
	}
	line(frame->out, LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "stroke=\"#000\"");
	line(frame->out, LEFT, TOP, LEFT, HEIGHT - BOTTOM, "stroke=\"#000\"");
	label(frame->out, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "middle", "memory");
}

/* Memories smaller than twice the window: what the trace says of them is not right. */
static void shade_invalid(struct frame *frame)
{
	double x;

	if (frame->svg->valid_from <= 0)
		return;
	x = fmin(fmax(x_of(frame, frame->svg->valid_from), LEFT), WIDTH - RIGHT);
	buf_printf(frame->out,
		   "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#eee\"/>\n",
		   LEFT, TOP, x - LEFT, HEIGHT - TOP - BOTTOM);
	line(frame->out, x, TOP, x, HEIGHT - BOTTOM, "stroke=\"#888\" stroke-dasharray=\"4 3\"");
	label(frame->out, x + 4, TOP + 14, "start", "valid from here");
}

static void error_band(struct frame *frame, const struct curve *curve)
{
	const struct curve_point *points = curve->points.items;
	size_t count = curve->points.length;

	buf_printf(frame->out, "<polygon fill=\"%s\" fill-opacity=\"0.15\" points=\"",
		   colours[curve->policy]);
	for (size_t i = 0; i < count; i++)
		buf_printf(frame->out, "%.1f,%.1f ", x_of(frame, (double)points[i].size),
			   y_of(frame, points[i].misses + 2 * points[i].error));
	for (size_t i = count; i-- > 0;)
		buf_printf(frame->out, "%.1f,%.1f ", x_of(frame, (double)points[i].size),
			   y_of(frame, fmax(points[i].misses - 2 * points[i].error, 0)));
	buf_add_text(frame->out, "\"/>\n");
}

static void draw(struct frame *frame, size_t index)
{
	const struct curve *curve = &frame->svg->curves[index];
	double x = LEFT + 10 + 90 * (double)index;
	bool estimated = false;

	for (size_t i = 0; i < curve->points.length; i++)
		estimated |= curve->points.items[i].error > 0;
	if (estimated)
		error_band(frame, curve);
	buf_printf(frame->out,
		   "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.8\" points=\"",
		   colours[curve->policy]);
	for (size_t i = 0; i < curve->points.length; i++)
		buf_printf(frame->out, "%.1f,%.1f ",
			   x_of(frame, (double)curve->points.items[i].size),
			   y_of(frame, curve->points.items[i].misses));
	buf_printf(frame->out,
		   "\"/>\n<line x1=\"%.1f\" y1=\"40\" x2=\"%.1f\" y2=\"40\" stroke=\"%s\" "
		   "stroke-width=\"3\"/>\n",
		   x, x + 22, colours[curve->policy]);
	label(frame->out, x + 27, 44, "start", cache_policy_name(curve->policy));
}

void curve_svg(const struct curve_svg *svg, struct buf *out)
{
	struct frame frame = { .svg = svg, .out = out };

	measure(&frame);
	buf_printf(out,
		   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		   "viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"12\">\n"
		   "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		   WIDTH, HEIGHT, WIDTH, HEIGHT);
	label(out, LEFT, 22, "start", svg->title);
	shade_invalid(&frame);
	axes(&frame);
	for (size_t i = 0; i < svg->count; i++)
		draw(&frame, i);
	buf_add_text(out, "</svg>\n");
}
