/*
 * scram-vectors - the exchanges that RFC 5802, section 5, and RFC 7677, section 3, print; for tests of both sides
 *
 * Those of the optional data folder are read as the RFCs have them.
 */
#ifndef TESTS_UNIT_AUTH_SCRAM_VECTORS_H
#define TESTS_UNIT_AUTH_SCRAM_VECTORS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text/span.h"

#define VECTOR_LINES 4
#define VECTOR_TEXT 1000

/* C, S, C, S */
struct vector {
	bool is_sha1;
	char lines[VECTOR_LINES][VECTOR_TEXT];
};

static const struct vector vectors[2] = {
	{true,
	 {"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	  "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
	  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	  "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="}},
	{false,
	 {"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
	  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	  "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	  "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="}},
};

/* "   C: text" and what follows it until an empty line or the next; false: there is none of them */
static inline bool
read_vector(FILE *f, struct vector *v)
{
	char line[200];
	int n = -1;

	while (fgets(line, sizeof(line), f) != NULL) {
		struct span text = span_trim(span_from(line, strcspn(line, "\r\n")));
		bool is_new = span_starts(text, SPAN("C: ")) || span_starts(text, SPAN("S: "));

		if (is_new && ++n == VECTOR_LINES)
			break;
		if (text.len == 0 && n == VECTOR_LINES - 1)
			break;
		if (is_new)
			text = span_skip(text, 3);
		if (n >= 0 && text.len > 0) {
			size_t have = strlen(v->lines[n]);
			assert_int_equal(
				span_copy(text, v->lines[n] + have, sizeof(v->lines[n]) - have), 0);
		}
	}
	return n >= VECTOR_LINES - 1;
}

/* each exchange of the data folder; how many were there */
static inline int
each_vector_of_the_folder(void (*check)(const struct vector *v))
{
	static const char *const names[] = {"rfc5802-section5.txt", "rfc7677-section3.txt"};
	const char *folder = getenv("CULVER_TEST_DATA");
	int count = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct vector v = {.is_sha1 = i == 0};
		char path[500];
		snprintf(path, sizeof(path), "%s/sasl/%s",
			 folder != NULL ? folder : "../shared/data", names[i]);
		FILE *f = fopen(path, "re");
		if (f == NULL)
			continue;
		assert_true(read_vector(f, &v));
		fclose(f);
		check(&v);
		count++;
	}
	return count;
}

#endif
