/*
 * gates - see gates.h
 */
#include "smtpd/gates.h"

#include "smtpd/session.h"

bool
gates_connect(struct session *s)
{
	(void)s;
	return true;
}

bool
gates_hello(struct session *s)
{
	(void)s;
	return true;
}

bool
gates_mail(struct session *s)
{
	(void)s;
	return true;
}

void
gates_recipients(struct session *s, const struct intake_recipient *to, size_t count,
		 struct check *checks)
{
	(void)s;
	(void)to;
	(void)count;
	(void)checks;
}

bool
gates_data(struct session *s)
{
	(void)s;
	return true;
}

bool
gates_message(struct session *s, const struct content *c)
{
	(void)s;
	(void)c;
	return true;
}

void
gates_reset(struct session *s)
{
	(void)s;
}

void
gates_end(struct session *s)
{
	(void)s;
}
