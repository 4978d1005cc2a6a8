/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64 extended state (x87, SSE, AVX, AVX-512, PKRU, AMX) in the XSAVE area's standard
 * format: Intel SDM volume 1, chapter 13. Shared by the tool and the runtime in a snippet.
 *
 * XSTATE_BV is not architectural: a processor may report a component as in use although
 * it holds its initial value. Images are compared in a canonical form, where a component
 * is marked in XSTATE_BV exactly when its value is not the initial one.
 */
#ifndef CHOP_XSTATE_X86_64_H
#define CHOP_XSTATE_X86_64_H

#include <stddef.h>
#include <stdint.h>

#include <chop/assert.h>

enum {
	XSTATE_X87 = 0,
	XSTATE_SSE = 1,
	XSTATE_YMM = 2,
	XSTATE_OPMASK = 5,
	XSTATE_ZMM_HI256 = 6,
	XSTATE_HI16_ZMM = 7,
	XSTATE_PKRU = 9,
	XSTATE_TILECFG = 17,
	XSTATE_TILEDATA = 18,
};

#define XSTATE_LEGACY_SIZE   512   /* x87 and SSE, the FXSAVE area */
#define XSTATE_BV_OFFSET     512   /* 8 bytes: XSTATE_BV */
#define XSTATE_HEADER_END    576   /* where the extended components begin */
#define XSTATE_MXCSR_OFFSET  24	   /* 4 bytes */
#define XSTATE_XCR0_OFFSET   464   /* 8 bytes: Linux puts XCR0 here in NT_X86_XSTATE */
#define XSTATE_FCW_INITIAL   0x37f /* SDM volume 1, 13.6 */
#define XSTATE_MXCSR_INITIAL 0x1f80
#define XSTATE_PKRU_DEFAULT  0x55555554u /* what Linux gives every process */

/* Where a component lies in the standard format: CPUID leaf 0xd, sub-leaf `number`. */
struct chop_xstate_component {
	uint32_t number, offset, size, reserved;
};
CHOP_STATIC_ASSERT(sizeof(struct chop_xstate_component) == 16, "component layout is an ABI");

static inline uint64_t chop_xstate_load(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	__builtin_memcpy(&value, at, size);
	return value;
}

static inline int chop_xstate_zero(const uint8_t *at, size_t size)
{
	uint8_t seen = 0;

	for (size_t i = 0; i < size; i++)
		seen |= at[i];
	return !seen;
}

/* x87: clear what is reserved; returns whether the state is not the initial one. */
static inline int chop_xstate_clean_x87(uint8_t *image, int present)
{
	if (!present) {
		__builtin_memset(image, 0, XSTATE_MXCSR_OFFSET);
		__builtin_memset(image + 32, 0, 128);
		image[0] = XSTATE_FCW_INITIAL & 0xff;
		image[1] = XSTATE_FCW_INITIAL >> 8;
	}
	image[5] = 0; /* reserved, beside the abridged tag word */
	for (int i = 0; i < 8; i++)
		__builtin_memset(image + 32 + i * 16 + 10, 0, 6);
	return chop_xstate_load(image, 2) != XSTATE_FCW_INITIAL ||
	       !chop_xstate_zero(image + 2, XSTATE_MXCSR_OFFSET - 2) ||
	       !chop_xstate_zero(image + 32, 128);
}

/* MXCSR is saved and restored whatever XSTATE_BV says (SDM volume 1, 13.7 and 13.8). */
static inline int chop_xstate_clean_sse(uint8_t *image, int present)
{
	if (!present)
		__builtin_memset(image + 160, 0, 256);
	__builtin_memset(image + 28, 0, 4); /* MXCSR_MASK: the processor's, not the thread's */
	__builtin_memset(image + 416, 0, 96);
	return chop_xstate_load(image + XSTATE_MXCSR_OFFSET, 4) != XSTATE_MXCSR_INITIAL ||
	       !chop_xstate_zero(image + 160, 256);
}

/*
 * Bring an image of `size` bytes (at least 512) into canonical form, in place. A second
 * time changes nothing.
 */
static inline void chop_xstate_canonical(uint8_t *image, size_t size,
					 const struct chop_xstate_component *components,
					 size_t count)
{
	uint64_t in_use = 0, present = 3;

	if (size >= XSTATE_HEADER_END)
		present = chop_xstate_load(image + XSTATE_BV_OFFSET, 8);
	in_use |= (uint64_t)chop_xstate_clean_x87(image, present & 1) << XSTATE_X87;
	in_use |= (uint64_t)chop_xstate_clean_sse(image, present >> 1 & 1) << XSTATE_SSE;
	for (size_t i = 0; i < count; i++) {
		const struct chop_xstate_component *c = &components[i];

		if (c->offset + c->size > size)
			continue;
		if (!(present >> c->number & 1))
			__builtin_memset(image + c->offset, 0, c->size);
		if (!chop_xstate_zero(image + c->offset, c->size))
			in_use |= 1ULL << c->number;
	}
	if (size >= XSTATE_HEADER_END) {
		__builtin_memset(image + XSTATE_BV_OFFSET, 0, XSTATE_HEADER_END - XSTATE_BV_OFFSET);
		__builtin_memcpy(image + XSTATE_BV_OFFSET, &in_use, 8);
	}
}

/*
 * Offset of the first byte in [offset, offset + size) where two canonical images differ,
 * or -1. An image that ends before counts as zeros there: the initial value of every
 * extended component is zero.
 */
static inline int64_t chop_xstate_range(const uint8_t *a, size_t a_size, const uint8_t *b,
					size_t b_size, size_t offset, size_t size)
{
	for (size_t i = offset; i < offset + size; i++) {
		if ((i < a_size ? a[i] : 0) != (i < b_size ? b[i] : 0))
			return (int64_t)i;
	}
	return -1;
}

/*
 * Compare two canonical images: the number of the first component that differs, or -1;
 * *offset is the first differing byte.
 */
static inline int chop_xstate_differs(const uint8_t *a, size_t a_size, const uint8_t *b,
				      size_t b_size, const struct chop_xstate_component *components,
				      size_t count, int64_t *offset)
{
	if ((*offset = chop_xstate_range(a, a_size, b, b_size, 0, 24)) >= 0 ||
	    (*offset = chop_xstate_range(a, a_size, b, b_size, 32, 128)) >= 0)
		return XSTATE_X87;
	if ((*offset = chop_xstate_range(a, a_size, b, b_size, 24, 4)) >= 0 ||
	    (*offset = chop_xstate_range(a, a_size, b, b_size, 160, 256)) >= 0)
		return XSTATE_SSE;
	for (size_t i = 0; i < count; i++) {
		*offset = chop_xstate_range(a, a_size, b, b_size, components[i].offset,
					    components[i].size);
		if (*offset >= 0)
			return (int)components[i].number;
	}
	return -1;
}

/*
 * The register at an offset into a component (into the image, for x87 and SSE): its name,
 * and in *index its number, -1 for registers without one.
 */
static inline const char *chop_xstate_register(int component, int64_t offset, int *index)
{
	*index = -1;
	if (component == XSTATE_X87 && offset < 32)
		return "x87 control";
	if (component == XSTATE_SSE && offset < 32)
		return "mxcsr";
	*index = (int)(offset / 16);
	if (component == XSTATE_X87) {
		*index -= 2;
		return "st";
	}
	if (component == XSTATE_SSE) {
		*index -= 10;
		return "xmm";
	}
	if (component == XSTATE_YMM)
		return "ymm";
	*index = (int)(offset / 32);
	if (component == XSTATE_ZMM_HI256)
		return "zmm";
	*index = (int)(offset / 64) + 16;
	if (component == XSTATE_HI16_ZMM)
		return "zmm";
	*index = (int)(offset / 8);
	if (component == XSTATE_OPMASK)
		return "k";
	*index = (int)(offset / 1024);
	if (component == XSTATE_TILEDATA)
		return "tmm";
	*index = -1;
	if (component == XSTATE_TILECFG)
		return "tilecfg";
	if (component == XSTATE_PKRU)
		return "pkru";
	*index = component;
	return "xstate component ";
}

#endif
