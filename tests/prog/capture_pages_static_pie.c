// flags: -pthread -static-pie -fPIE
// SPDX-License-Identifier: Apache-2.0
/* The same, linked another way. */
#include "capture_pages.c"
