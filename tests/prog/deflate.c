// flags: -O2 -lz
// SPDX-License-Identifier: Apache-2.0
/* Compress a file by libz in pieces: a program that calls deflate, as many do. */
#include <stdio.h>
#include <zlib.h>

static unsigned char in[30000], out[65536];

int main(int argc, char **argv)
{
	FILE *file = argc > 1 ? fopen(argv[1], "rb") : stdin;
	z_stream stream = { 0 };
	size_t got;

	if (!file || deflateInit(&stream, 9) != Z_OK)
		return 1;
	do {
		got = fread(in, 1, sizeof(in), file);
		stream.next_in = in;
		stream.avail_in = (unsigned int)got;
		do {
			stream.next_out = out;
			stream.avail_out = sizeof(out);
			deflate(&stream, got ? Z_NO_FLUSH : Z_FINISH);
			fwrite(out, 1, sizeof(out) - stream.avail_out, stdout);
		} while (!stream.avail_out);
	} while (got);
	deflateEnd(&stream);
	return 0;
}
