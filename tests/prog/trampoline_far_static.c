// flags: -O1 -lpthread -static
// SPDX-License-Identifier: Apache-2.0
#include "trampoline_far.c"
