// flags: -O1 -g
// SPDX-License-Identifier: Apache-2.0
// C++ functions as probe points: namespaces, members, templates, overloads; a function that begins
// with one that is inlined into it.
#include <cstdio>

static volatile long calls; // so that no call is left out

namespace shop {
struct Order {
	long count;
	const char *customer;
	__attribute__((noinline)) long price(int each) const;
};

// Its argument has the name of another one of whoever calls it.
static inline long first(const long *count) { return *count; }

__attribute__((noinline)) long total(const long *list, int count) {
	long sum = first(list) + count;

	calls = calls + 1;
	return sum;
}

long Order::price(int each) const {
	calls = calls + 1;
	return count * each + (customer[0] == 'b');
}

template <class T> __attribute__((noinline)) T twice(T value) {
	calls = calls + 1;
	return value + value;
}
} // namespace shop

static __attribute__((noinline)) long work(int n) { return calls = n; }
static __attribute__((noinline)) long work(const char *text) { return calls = text[0]; }

int main() {
	shop::Order order = {3, "anna"};
	long list[] = {40, 2};
	const char *volatile word = "a"; // nor taken for a constant
	long sum = 0;

	for (int i = 0; i < 3; i++) {
		sum += shop::total(list, i) + order.price(i) + shop::twice(i) + shop::twice(2L * i);
		sum += work(i) + work(word);
	}
	printf("%ld\n", sum);
	return 0;
}
