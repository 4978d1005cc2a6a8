// flags: -O2
// SPDX-License-Identifier: Apache-2.0
/* Lines, inlined functions and loops for chop marks; the test looks for the comments. */
#include <stdio.h>

static inline __attribute__((always_inline)) int square_sum(const int *a, int n)
{
	int s = 0;

	for (int i = 0; i < n; i++)
		s += a[i] * a[i];
	return s;
}

__attribute__((noinline)) int nested(int (*m)[8], int n)
{
	int t = 0;

	for (int i = 0; i < n; i++) { /* outer */
		for (int j = 0; j < 8; j++) { /* inner */
			if (m[i][j] == 99)
				return t;
			t += m[i][j]; /* body */
		}
		t ^= i;
	}
	while (t > 1000) /* last */
		t /= 3;
	return t;
}

/* A loop whose body is a jump table. */
__attribute__((noinline)) int machine(const unsigned char *p)
{
	int t = 0;

	for (;;) { /* machine */
		switch (*p++) {
		case 0:
			return t;
		case 1:
			t += 3;
			break;
		case 2:
			t *= 5;
			break;
		case 3:
			t ^= 77;
			break;
		case 4:
			t -= p[1];
			break;
		case 5:
			t = -t;
			break;
		case 6:
			t /= 3;
			break;
		default:
			t++;
		}
	}
}

__attribute__((noinline)) int use1(const int *a, int n)
{
	return square_sum(a, n) + 1; /* use1 */
}

__attribute__((noinline)) int use2(const int *a, int n)
{
	if (n > 7)
		return square_sum(a, n - 1); /* use2 */
	return n;
}

int main(int argc, char **argv)
{
	int m[8][8] = { { argc } }, a[9] = { argc, 2, 3 };
	unsigned char p[] = { 1, 2, 3, 4, 5, 6, 7, (unsigned char)argc, 0 };

	(void)argv;
	printf("%d %d %d %d\n", nested(m, 8), use1(a, 9), use2(a, 8), machine(p));
	return 0;
}
