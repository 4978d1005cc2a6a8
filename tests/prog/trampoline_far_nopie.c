// flags: -O1 -pthread -no-pie -fno-pie
// SPDX-License-Identifier: Apache-2.0
#include "trampoline_far.c"
