/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static probe points for C and C++: a place in a program that tracers know by name.
 *
 *	CHOP_PROBE(shop, order_taken, order->id, order->total);
 *
 * costs one nop while nobody listens, and needs no library. What describes it is a note of the
 * standard form (.note.stapsdt, version 3: https://sourceware.org/systemtap/wiki/
 * UserSpaceProbeImplementation), so chop probe, bpftrace, perf, gdb and systemtap all find it:
 *
 *	chop probe usdt:./shop:shop:order_taken -- ./shop
 *
 * Arguments, at most 8, are integers, enumerations, bools or pointers (text is a char pointer).
 * They are computed even when nobody listens; where that costs something, ask first:
 *
 *	CHOP_PROBE_SEMAPHORE(shop, order_taken);	// once, at file level
 *	...
 *	if (CHOP_PROBE_ENABLED(shop, order_taken))
 *		CHOP_PROBE_ASKED(shop, order_taken, describe(order));
 *
 * The semaphore is a 16-bit counter of listeners, which they increment. Each argument is in a
 * register or a constant at the probe point, because not all tools understand other places.
 *
 * The probe point is one byte long on purpose: kernels that turn a 5-byte nop into a call
 * (Linux 6.18) overwrite what a leaf function keeps below its stack pointer.
 */
#ifndef CHOP_PROBE_H
#define CHOP_PROBE_H

#define CHOP_PROBE(provider, name, ...) CHOP_PROBE_AT_(#provider, #name, "0", ##__VA_ARGS__)
/* The same for a probe point that has a semaphore. */
#define CHOP_PROBE_ASKED(provider, name, ...) \
	CHOP_PROBE_AT_(#provider, #name, #provider "_" #name "_semaphore", ##__VA_ARGS__)

/* Defines the semaphore: once in a program or library. */
#define CHOP_PROBE_SEMAPHORE(provider, name)                                               \
	CHOP_PROBE_C_ volatile unsigned short provider##_##name##_semaphore CHOP_PROBE_S_; \
	__attribute__((used)) volatile unsigned short provider##_##name##_semaphore = 0
/* In other files of it. */
#define CHOP_PROBE_DECLARE(provider, name) \
	CHOP_PROBE_C_ volatile unsigned short provider##_##name##_semaphore CHOP_PROBE_S_
/* Does anybody listen? */
#define CHOP_PROBE_ENABLED(provider, name) __builtin_expect(provider##_##name##_semaphore != 0, 0)

/* -- how it is done ------------------------------------------------------------------------- */

#define CHOP_PROBE_S_ __attribute__((section(".probes"), visibility("hidden")))

#ifdef __cplusplus
#define CHOP_PROBE_C_ extern "C"
template <typename T> struct chop_probe_signed {
	enum { value = (T)-1 < (T)1 };
};
template <typename T> struct chop_probe_signed<T *> {
	enum { value = 0 };
};
#define CHOP_PROBE_SIGNED_(x) chop_probe_signed<__typeof__((x) + 0)>::value
#else
#define CHOP_PROBE_C_ extern
#define CHOP_PROBE_INTEGER_(x) \
	__typeof__(__builtin_choose_expr(__builtin_classify_type((x) + 0) == 1, (x) + 0, 0UL))
#define CHOP_PROBE_SIGNED_(x) ((CHOP_PROBE_INTEGER_(x)) - 1 < (CHOP_PROBE_INTEGER_(x))1)
#endif

/* Size in bytes, negative for a signed value; and the value: arrays become pointers. */
#define CHOP_PROBE_BYTES_(x) (int)sizeof(__typeof__((x) + 0))
#define CHOP_PROBE_SIZE_(x)  (CHOP_PROBE_SIGNED_(x) ? -CHOP_PROBE_BYTES_(x) : CHOP_PROBE_BYTES_(x))
#define CHOP_PROBE_VALUE_(x) "n"(CHOP_PROBE_SIZE_(x)), "nr"((x) + 0)

#define CHOP_PROBE_AT_(provider, name, semaphore, ...)                                             \
	__asm__ __volatile__(CHOP_PROBE_NOTE_(provider, name, semaphore,                           \
					      CHOP_PROBE_PICK_(T, ##__VA_ARGS__)) CHOP_PROBE_BASE_ \
			     :                                                                     \
			     : CHOP_PROBE_PICK_(V, ##__VA_ARGS__)(__VA_ARGS__))

#define CHOP_PROBE_NOTE_(provider, name, semaphore, arguments) \
	"990:	nop\n"                                           \
	"	.pushsection .note.stapsdt,\"?\",\"note\"\n"         \
	"	.balign 4\n"                                         \
	"	.4byte 992f-991f, 994f-993f, 3\n"                    \
	"991:	.asciz \"stapsdt\"\n"                            \
	"992:	.balign 4\n"                                     \
	"993:	.8byte 990b\n"                                   \
	"	.8byte _.stapsdt.base\n"                             \
	"	.8byte " semaphore "\n"                        \
	"	.asciz \"" provider "\"\n"                     \
	"	.asciz \"" name "\"\n"                         \
	"	.asciz \"" arguments "\"\n"                    \
	"994:	.balign 4\n"                                     \
	"	.popsection\n"

/* An address tools compare with the section's, to see whether the file was prelinked. */
#define CHOP_PROBE_BASE_                                                         \
	"	.ifndef _.stapsdt.base\n"                                              \
	"	.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
	"	.weak _.stapsdt.base\n"                                                \
	"	.hidden _.stapsdt.base\n"                                              \
	"_.stapsdt.base:	.space 1\n"                                             \
	"	.size _.stapsdt.base, 1\n"                                             \
	"	.popsection\n"                                                         \
	"	.endif\n"

/* CHOP_PROBE_T3_ and CHOP_PROBE_V3_ for three arguments: the note's text and the operands. */
#define CHOP_PROBE_PICK_(kind, ...)				      CHOP_PROBE_NTH_(kind, ##__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define CHOP_PROBE_NTH_(kind, a1, a2, a3, a4, a5, a6, a7, a8, n, ...) CHOP_PROBE_##kind##n##_
#define CHOP_PROBE_T0_						      ""
#define CHOP_PROBE_T1_						      "%c0@%1"
#define CHOP_PROBE_T2_						      CHOP_PROBE_T1_ " %c2@%3"
#define CHOP_PROBE_T3_						      CHOP_PROBE_T2_ " %c4@%5"
#define CHOP_PROBE_T4_						      CHOP_PROBE_T3_ " %c6@%7"
#define CHOP_PROBE_T5_						      CHOP_PROBE_T4_ " %c8@%9"
#define CHOP_PROBE_T6_						      CHOP_PROBE_T5_ " %c10@%11"
#define CHOP_PROBE_T7_						      CHOP_PROBE_T6_ " %c12@%13"
#define CHOP_PROBE_T8_						      CHOP_PROBE_T7_ " %c14@%15"
#define CHOP_PROBE_V0_()
#define CHOP_PROBE_V1_(a)		    CHOP_PROBE_VALUE_(a)
#define CHOP_PROBE_V2_(a, b)		    CHOP_PROBE_V1_(a), CHOP_PROBE_VALUE_(b)
#define CHOP_PROBE_V3_(a, b, c)		    CHOP_PROBE_V2_(a, b), CHOP_PROBE_VALUE_(c)
#define CHOP_PROBE_V4_(a, b, c, d)	    CHOP_PROBE_V3_(a, b, c), CHOP_PROBE_VALUE_(d)
#define CHOP_PROBE_V5_(a, b, c, d, e)	    CHOP_PROBE_V4_(a, b, c, d), CHOP_PROBE_VALUE_(e)
#define CHOP_PROBE_V6_(a, b, c, d, e, f)    CHOP_PROBE_V5_(a, b, c, d, e), CHOP_PROBE_VALUE_(f)
#define CHOP_PROBE_V7_(a, b, c, d, e, f, g) CHOP_PROBE_V6_(a, b, c, d, e, f), CHOP_PROBE_VALUE_(g)
#define CHOP_PROBE_V8_(a, b, c, d, e, f, g, h) \
	CHOP_PROBE_V7_(a, b, c, d, e, f, g), CHOP_PROBE_VALUE_(h)

#endif
