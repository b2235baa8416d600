/*
 * sts - the record and the policy by which a domain demands TLS of whoever sends to it (MTA-STS, RFC 8461)
 *
 * Read by fetch (which keeps policies), delivery (the record) and culver.  Nothing is copied: what is parsed points into its text.
 */
#ifndef COMMON_MAIL_STS_H
#define COMMON_MAIL_STS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text/span.h"

#define STS_ID_MAX 32
#define STS_POLICY_MAX 65536	       /* bytes; section 3.2 */
#define STS_AGE_MAX UINT64_C(31557600) /* seconds: a year; section 3.2 */
#define STS_MX_MAX 128		       /* `mx` of one policy; one with more is not understood */
#define STS_RECORD_NAME "_mta-sts"     /* label of the TXT record */
#define STS_HOST "mta-sts"	       /* label of the host that has the policy */
#define STS_PATH "/.well-known/mta-sts.txt"

enum sts_mode { STS_NONE = 1, STS_TESTING = 2, STS_ENFORCE = 3 };

struct sts_policy {
	enum sts_mode mode;
	uint64_t max_age;	    /* seconds */
	struct span mx[STS_MX_MAX]; /* a name, or *.NAME, as it is spelled */
	size_t mx_count;
};

/* sts_is_record - does the text begin like one?  Others of the same name are passed over; two that do are none (section 3.1) */
bool sts_is_record(struct span text);
/* sts_record - the id in a TXT record, its strings joined; -1: it is not one (section 3.1) */
int sts_record(struct span text, struct span *id) __attribute__((warn_unused_result));
/* sts_policy - the policy in the body of an answer; -1: `wrong` says what is (section 3.2) */
int sts_policy(struct span text, struct sts_policy *policy, const char **wrong)
	__attribute__((warn_unused_result));
/* sts_mode_name - as a policy spells it */
const char *sts_mode_name(enum sts_mode mode);

#endif
