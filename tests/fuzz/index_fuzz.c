// SPDX-License-Identifier: Apache-2.0
/* The index of a trace directory and the mappings of a capture, on arbitrary text. */
#include "store/index.h"

#include <stdlib.h>

#include "base/err.h"
#include "store/maps.h"

static void must(bool right)
{
	if (!right)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_capture struct capture capture = { 0 };
	struct tracedir_index index;
	int err;

	err_clear();
	err = index_read((const char *)data, size, "x", &index);
	must(!err == !*err_message());
	if (!err)
		tracedir_index_release(&index);
	capture_init(&capture);
	err_clear();
	err = maps_read((const char *)data, size, "x", &capture);
	must(!err == !*err_message());
	return 0;
}
