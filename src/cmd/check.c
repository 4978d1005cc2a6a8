// SPDX-License-Identifier: Apache-2.0
#include "cmd/cmd.h"

#include <stdio.h>

int cmd_check(int argc, char **argv)
{
	static const struct opt options[] = { OPT_END };
	static const struct opt_spec spec = {
		.usage = "chop check",
		.about = "Tell what this machine allows, what is missing and how to get it.",
		.options = options,
	};
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, NULL, &rest, &status))
		return status;
	vec_release(&rest);
	return 0;
}
