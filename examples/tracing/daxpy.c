// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel of the tracing example: y = a x + y over vectors of TEST_SIZE numbers (10000),
 * TEST_ITER times (10). Built without optimization, so that daxpy is a call.
 */
#include <stdio.h>
#include <stdlib.h>

static int setting(const char *name, int usual)
{
	const char *text = getenv(name);

	return text ? atoi(text) : usual;
}

double daxpy(double *x, double *y, int n, double a)
{
	for (int i = 0; i < n; i++)
		y[i] = a * x[i] + y[i];
	return y[n - 1];
}

int main(void)
{
	int n = setting("TEST_SIZE", 10000), iterations = setting("TEST_ITER", 10);
	double *x = malloc(sizeof(double) * (size_t)n), *y = malloc(sizeof(double) * (size_t)n);
	double last = 0;

	for (int i = 0; i < n; i++) {
		x[i] = (double)rand() / RAND_MAX;
		y[i] = (double)rand() / RAND_MAX;
	}
	for (int i = 0; i < iterations; i++)
		last = daxpy(x, y, n, 0.5);
	printf("%d times %d numbers, the last one is %.6f\n", iterations, n, last);
	free(y);
	free(x);
	return 0;
}
