// SPDX-License-Identifier: Apache-2.0
#include "elf/cxx.h"

#include "test.h"

#include <stdlib.h>

static void match(const char *wanted, const char *decoded, enum cxx_match expected)
{
	enum cxx_match got = cxx_match(wanted, decoded);

	if (got != expected)
		fail_msg("'%s' for '%s' is %d, not %d", decoded, wanted, got, expected);
}

static void test_match(void **state)
{
	(void)state;
	match("f", "f()", CXX_NAME);
	match("f()", "f()", CXX_FULL);
	match("f( int,char )", "f(int, char)", CXX_FULL);
	match("f(int)", "f(char)", CXX_NO);
	match("f", "ns::f(int)", CXX_SUFFIX);
	match("s::f", "ns::f(int)", CXX_NO);
	match("ns::f", "ns::f(int)", CXX_NAME);
	match("C::f", "ns::C::f(int) const", CXX_SUFFIX);
	match("C::f(int) const", "ns::C::f(int) const", CXX_SUFFIX);
	match("ns::C::f(int) const", "ns::C::f(int) const", CXX_FULL);
	match("g", "f(int)", CXX_NO);
	match("f", "int f<int>(int)", CXX_NAME);
	match("f<int>", "int f<int>(int)", CXX_NAME);
	match("f<char>", "int f<int>(int)", CXX_NO);
	match("f<int>(int)", "int f<int>(int)", CXX_FULL);
	match("f", "std::vector<int, std::allocator<int> > ns::f<int>(int)", CXX_SUFFIX);
	match("f", "(anonymous namespace)::f(int)", CXX_SUFFIX);
	match("(anonymous namespace)::f", "(anonymous namespace)::f(int)", CXX_NAME);
	match("push_back", "std::vector<int>::push_back(int const&)", CXX_SUFFIX);
	match("std::vector::push_back", "std::vector<int>::push_back(int const&)", CXX_NAME);
	match("std::vector<int>::push_back", "std::vector<int>::push_back(int const&)", CXX_NAME);
	match("C::operator()", "C::operator()(int) const", CXX_NAME);
	match("operator()", "C::operator()(int) const", CXX_SUFFIX);
	match("operator<", "operator<(A const&, A const&)", CXX_NAME);
	match("operator<<", "std::ostream& operator<< <int>(std::ostream&, A<int>)", CXX_NAME);
	match("operator<", "operator<<(A const&, A const&)", CXX_NO);
	match("C::operator bool", "C::operator bool() const", CXX_NAME);
	match("operator new", "operator new(unsigned long)", CXX_NAME);
	match("operator new[]", "operator new[](unsigned long)", CXX_NAME);
	match("C::operator->", "C::operator->()", CXX_NAME);
	match("f", "decltype(auto) f<int>(int)", CXX_NAME);
	match("name", "std::locale::name[abi:cxx11]() const", CXX_SUFFIX);
	match("std::locale::name() const", "std::locale::name[abi:cxx11]() const", CXX_FULL);
	match("core::fmt::write", "core::fmt::write::h0123456789abcdef", CXX_NAME);
	match("f", "f(int) [clone .cold]", CXX_NAME);
	match("C::~C", "ns::C::~C()", CXX_SUFFIX);
	match("f", "f(void (*)(int), char)", CXX_NAME);
	match("main::{lambda()#1}::operator()", "main::{lambda()#1}::operator()() const", CXX_NAME);
	match("f", "f(int)::{lambda()#1}::operator()() const", CXX_NO);
	match("operator()", "f(int)::{lambda()#1}::operator()() const", CXX_SUFFIX);
	match("f", "f(int)::g() const::h(char)", CXX_NO);
	match("h", "f(int)::g()::h(char)", CXX_SUFFIX);
	match("f", "f(int)::{lambda()#1}&& forward<f(int)::{lambda()#1}>(int&)", CXX_NO);
	match("", "f()", CXX_NO);
	match("f", "", CXX_NO);
	match("(", "f(", CXX_NO);
	match("f<", "f<", CXX_FULL);
}

static void test_may_match(void **state)
{
	(void)state;
	assert_true(cxx_may_match("ns::f(int)", "_ZN2ns1fEi"));
	assert_false(cxx_may_match("ns::longer", "_ZN2ns1fEi"));
	assert_false(cxx_may_match("f", "f"));
	assert_true(cxx_may_match("C::operator<", "_ZN1CltERKS_"));
}

static void test_demangle(void **state)
{
	char *name = cxx_demangle("_ZN2ns1fEi");

	(void)state;
	assert_null(cxx_demangle("main"));
	assert_null(cxx_demangle("_Znotmangled"));
	if (!name)
		skip_because("libstdc++.so.6 is not installed");
	assert_string_equal(name, "ns::f(int)");
	free(name);
}

static void test_patterns(void **state)
{
	char *name = cxx_demangle("_ZN2ns1fEi");

	(void)state;
	assert_true(cxx_fits("ma*n", "main"));
	assert_false(cxx_fits("ma*n", "mainly"));
	assert_true(cxx_fits("_ZN2ns*", "_ZN2ns1fEi"));
	if (!name)
		skip_because("libstdc++.so.6 is not installed");
	free(name);
	assert_true(cxx_fits("ns::*", "_ZN2ns1fEi"));
	assert_true(cxx_fits("ns::?", "_ZN2ns1fEi"));
	assert_true(cxx_fits("*(int)", "_ZN2ns1fEi"));
	assert_false(cxx_fits("n::*", "_ZN2ns1fEi"));
	/* int ns::f<int>(int) */
	assert_true(cxx_fits("ns::f<*>", "_ZN2ns1fIiEEiT_"));
	assert_true(cxx_fits("ns::f*", "_ZN2ns1fIiEEiT_"));
	assert_true(cxx_fits("int ns::f*", "_ZN2ns1fIiEEiT_"));
	assert_false(cxx_fits("ns::g*", "_ZN2ns1fIiEEiT_"));
	/* r::weigh::hb913eaaeddfe93cf, as rustc writes it */
	assert_true(cxx_fits("r::weig?", "_ZN1r5weigh17hb913eaaeddfe93cfE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_may_match),
		cmocka_unit_test(test_demangle),
		cmocka_unit_test(test_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
