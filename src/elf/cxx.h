/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C++ names. The names in symbol tables are decoded by __cxa_demangle of libstdc++, which
 * is loaded when the first one is met; without it names stay as they are.
 */
#ifndef ELF_CXX_H
#define ELF_CXX_H

#include <stdbool.h>

/* "ns::f(int)" for "_ZN2ns1fEi"; NULL when it is no such name. Caller frees. */
char *cxx_demangle(const char *symbol);

/* How well a decoded name answers to what a user wrote. */
enum cxx_match {
	CXX_NO,
	CXX_SUFFIX, /* "f" or "C::f" for "ns::C::f(int)" */
	CXX_NAME,   /* "ns::C::f": the whole name, without parameters */
	CXX_FULL,   /* "ns::C::f(int)" */
};
/*
 * Blanks do not count; neither do template arguments, ABI tags and the hash of Rust's
 * names where `wanted` has none.
 */
enum cxx_match cxx_match(const char *wanted, const char *decoded);
/*
 * Does a symbol match a pattern (fnmatch)? As it is in the table; decoded; decoded without the
 * type it returns; of that the name alone.
 */
bool cxx_fits(const char *pattern, const char *symbol);
/* Could a symbol match? Cheap, without decoding; never false for one that does. */
bool cxx_may_match(const char *wanted, const char *symbol);

#endif
