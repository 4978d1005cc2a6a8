// SPDX-License-Identifier: Apache-2.0
#include "elf/cxx.h"

#include <ctype.h>
#include <dlfcn.h>
#include <fnmatch.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

/* abi::__cxa_demangle: Itanium C++ ABI. */
typedef char *demangle_function(const char *name, char *buffer, size_t *length, int *status);

static demangle_function *find_demangler(void)
{
	static demangle_function *found;
	static bool looked;
	void *library;

	if (looked)
		return found;
	looked = true;
	library = dlopen("libstdc++.so.6", RTLD_LAZY);
	if (library)
		*(void **)&found = dlsym(library, "__cxa_demangle");
	return found;
}

char *cxx_demangle(const char *symbol)
{
	demangle_function *demangle = strncmp(symbol, "_Z", 2) ? NULL : find_demangler();
	int status = 0;

	return demangle ? demangle(symbol, NULL, NULL, &status) : NULL;
}

/* The operator whose name starts at `text`, which may hold brackets; 0 when it is none. */
static size_t operator_length(const char *text)
{
	static const char *const signs[] = { "()", "[]", "<=>", "<<=", ">>=", "->*", "<<",
					     ">>", "<=", ">=",	"->",  "<",   ">" };
	size_t word = sizeof("operator") - 1, blanks;

	if (strncmp(text, "operator", word) || isalnum((unsigned char)text[word]) ||
	    text[word] == '_')
		return 0;
	blanks = strspn(text + word, " ");
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		if (!strncmp(text + word + blanks, signs[i], strlen(signs[i])))
			return word + blanks + strlen(signs[i]);
	}
	return word;
}

static bool starts_word(const char *start, const char *at)
{
	return at == start || (!isalnum((unsigned char)at[-1]) && at[-1] != '_');
}

/*
 * The end of a bracket that starts at `text`: past its partner. Operators inside do not
 * count as brackets.
 */
static const char *skip_bracket(const char *text)
{
	int depth = 0;

	for (const char *at = text; *at; at++) {
		size_t skipped = starts_word(text, at) ? operator_length(at) : 0;

		if (skipped) {
			at += skipped - 1;
			continue;
		}
		if (strchr("(<[{", *at))
			depth++;
		else if (strchr(")>]}", *at) && !(at > text && *at == '>' && at[-1] == '-'))
			depth--;
		if (!depth)
			return at + 1;
	}
	return text + strlen(text);
}

/* What a name is made of. */
struct parts {
	size_t start;	   /* of the qualified name, after the type it returns */
	size_t parameters; /* of "(...)", or the length when there are none */
};

/*
 * "int ns::f<int>(int) const": the last blank outside of brackets before the parameters
 * ends the type; the parameters are the first round bracket after a name.
 */
static struct parts split(const char *name)
{
	struct parts parts = { 0, strlen(name) };

	for (const char *at = name; *at;) {
		size_t skipped = starts_word(name, at) ? operator_length(at) : 0;

		if (skipped) {
			at += skipped;
			/* "operator bool", "operator new[]": the rest is its name. */
			if (*at == ' ')
				at += 1 + strcspn(at + 1, "(");
			continue;
		}
		if (*at == '(' && strncmp(at, "(anonymous namespace)", 21) && at > name &&
		    at[-1] != ' ' && strncmp(at - (at - name < 8 ? at - name : 8), "decltype", 8)) {
			const char *end = skip_bracket(at);

			parts.parameters = (size_t)(at - name);
			/* "f(int)::{lambda()#1}::operator()": the scope is a function. */
			if (strncmp(end, "::", 2))
				break;
			parts.parameters = strlen(name);
		}
		if (*at == ' ')
			parts.start = (size_t)(at - name) + 1;
		at = strchr("(<[{", *at) ? skip_bracket(at) : at + 1;
	}
	return parts;
}

/* The text without blanks; with `plain` also without template arguments and tags. */
static void reduce(const char *text, size_t length, bool plain, struct buf *out)
{
	const char *end = text + length;

	for (const char *at = text; at < end;) {
		size_t skipped = starts_word(text, at) ? operator_length(at) : 0;

		if (skipped) {
			for (; skipped--; at++) {
				if (*at != ' ')
					buf_add_char(out, *at);
			}
		} else if (!strncmp(at, "[abi:", 5) || (plain && *at == '<')) {
			at = skip_bracket(at);
		} else {
			if (*at != ' ')
				buf_add_char(out, *at);
			at++;
		}
	}
}

/* Rust's "::h0123456789abcdef" at the end. */
static size_t without_hash(const char *text, size_t length)
{
	if (length < 20 || strncmp(text + length - 19, "::h", 3) ||
	    strspn(text + length - 16, "0123456789abcdef") < 16)
		return length;
	return length - 19;
}

static bool ends_with_name(const struct buf *whole, const struct buf *end)
{
	const char *at = whole->data + whole->length - end->length;

	return whole->length > end->length + 2 && !strcmp(at, end->data) && at[-1] == ':' &&
	       at[-2] == ':';
}

enum cxx_match cxx_match(const char *wanted, const char *decoded)
{
	cleanup_buf struct buf want = { 0 }, full = { 0 }, name = { 0 };
	struct parts parts = split(decoded), wanted_parts = split(wanted);
	bool with_parameters = wanted[wanted_parts.parameters] != '\0';
	/* Template arguments count where the user gave some. */
	bool plain = !memchr(wanted, '<', wanted_parts.parameters) || strstr(wanted, "operator");
	size_t end = strlen(decoded);

	reduce(wanted, strlen(wanted), plain && !with_parameters, &want);
	buf_reserve(&want, 0);
	reduce(decoded, end, false, &full);
	if (want.length && !strcmp(buf_text(&want), buf_text(&full)))
		return CXX_FULL;
	if (!with_parameters)
		end = without_hash(decoded, parts.parameters);
	reduce(decoded + parts.start, end - parts.start, plain && !with_parameters, &name);
	if (!want.length || !name.length)
		return CXX_NO;
	if (!strcmp(want.data, name.data))
		return with_parameters ? CXX_FULL : CXX_NAME;
	return ends_with_name(&name, &want) ? CXX_SUFFIX : CXX_NO;
}

bool cxx_fits(const char *pattern, const char *symbol)
{
	cleanup_free char *decoded = NULL;
	struct parts parts;

	if (!fnmatch(pattern, symbol, 0))
		return true;
	decoded = cxx_demangle(symbol);
	if (!decoded)
		return false;
	parts = split(decoded);
	if (!fnmatch(pattern, decoded, 0) || !fnmatch(pattern, decoded + parts.start, 0))
		return true;
	decoded[without_hash(decoded, parts.parameters)] = '\0';
	return !fnmatch(pattern, decoded + parts.start, 0);
}

bool cxx_may_match(const char *wanted, const char *symbol)
{
	size_t length = split(wanted).parameters, start;
	char word[64];

	if (strncmp(symbol, "_Z", 2))
		return false;
	/* The last identifier is in the symbol as it is; operators are spelt otherwise. */
	if (strstr(wanted, "operator") || memchr(wanted, '<', length) ||
	    memchr(wanted, '[', length))
		return true;
	for (start = length;
	     start && (isalnum((unsigned char)wanted[start - 1]) || wanted[start - 1] == '_');)
		start--;
	length -= start;
	if (!length || length >= sizeof(word))
		return true;
	memcpy(word, wanted + start, length);
	word[length] = '\0';
	return strstr(symbol, word) != NULL;
}
