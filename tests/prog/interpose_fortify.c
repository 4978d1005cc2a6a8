// flags: -O2 -pthread -D_FORTIFY_SOURCE=2
// SPDX-License-Identifier: Apache-2.0
#include "interpose.c"
