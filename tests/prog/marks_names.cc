// flags: -O1 -fno-inline
// SPDX-License-Identifier: Apache-2.0
/* C++ names for chop marks. */
#include <cstdio>

namespace ns {
struct C {
	int value;
	explicit C(int v) : value(v) {}
	int f(int x) const { return value + x; }
	int f(char x) const { return value - x; }
	int only(int x) { return value *= x; }
	int operator()(int x) const { return value ^ x; }
	bool operator<(const C &other) const { return value < other.value; }
};

template <class T> T twice(T x)
{
	return x + x;
}
} // namespace ns

namespace {
int hidden(int x)
{
	return x * 7;
}
} // namespace

int main(int argc, char **)
{
	ns::C c(argc), d(2);

	std::printf("%d\n", c.f(argc) + c.f('a') + c.only(3) + c(4) + (c < d) + ns::twice(argc) +
				    (int)ns::twice(1.5) + hidden(argc));
	return 0;
}
