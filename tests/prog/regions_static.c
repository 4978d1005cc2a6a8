// flags: -O2 -static -no-pie -fno-pie -lm
// SPDX-License-Identifier: Apache-2.0
/* The same, linked another way. */
#include "regions.c"
