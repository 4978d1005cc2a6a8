/* SPDX-License-Identifier: Apache-2.0 */
/* Miss-ratio curves as a picture. */
#ifndef FMT_CURVE_SVG_H
#define FMT_CURVE_SVG_H

#include "analysis/curve.h"
#include "base/buf.h"

struct curve_svg {
	const char *title;
	double block;		    /* bytes of an object */
	double references;	    /* what a miss ratio of 1 is */
	double valid_from;	    /* objects; 0: everywhere */
	const struct curve *curves; /* sizes rising */
	size_t count;
};

/* Append a complete SVG document: memory size (log 2) against miss ratio. */
void curve_svg(const struct curve_svg *svg, struct buf *out);

#endif
