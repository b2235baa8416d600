/*
 * directives-print - the table of directives as people read it: `culver check --directives`, defaults, amounts
 */
#include "common/config/directives.h"

const char *
directive_default(const struct directive *d)
{
	return d->standard != NULL ? d->standard : d->otherwise != NULL ? d->otherwise : "none";
}

const char *
place_name(unsigned place)
{
	switch ((enum place)place) {
	case PLACE_GENERAL:
		return "the file";
	case PLACE_LOG:
		return "log";
	case PLACE_LISTEN:
		return "listen";
	case PLACE_DOMAIN:
		return "domain";
	case PLACE_OUTBOUND:
		return "outbound";
	case PLACE_ROUTE:
		return "route";
	case PLACE_TLS:
		return "tls";
	case PLACE_SITE:
		return "site";
	case PLACE_BUDGET:
		return "budget";
	case PLACE_LIMIT:
		return "limit";
	case PLACE_LISTEN_LIMIT:
		return "limit of listen";
	case PLACE_AUTH:
		return "auth";
	case PLACE_LOGIN:
		return "login";
	case PLACE_VERIFY:
		return "verify";
	case PLACE_HOP_TLS:
		return "tls of a next hop";
	case PLACE_ANY:
		break;
	}
	return "anywhere";
}

struct scale {
	uint64_t size;
	const char *name;
};

void
amount_format(enum unit unit, uint64_t amount, struct buffer *to)
{
	static const struct scale times[] = {
		{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	static const struct scale sizes[] = {
		{UINT64_C(1) << 40, "T"}, {1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}, {1, ""}};
	const struct scale *scale = unit == UNIT_TIME ? times : sizes;

	if (unit != UNIT_TIME && unit != UNIT_BYTES)
		scale = &sizes[4];
	while (scale->size > 1 && (amount < scale->size || amount % scale->size != 0))
		scale++;
	buffer_format(to, "%llu%s", (unsigned long long)(amount / scale->size), scale->name);
}

static void
print_places(unsigned where, struct buffer *to)
{
	const char *comma = "";

	if (where == PLACE_ANY) {
		buffer_string(to, place_name(PLACE_ANY));
		return;
	}
	for (unsigned place = 1; place < PLACE_ANY; place <<= 1) {
		if (!(where & place))
			continue;
		buffer_format(to, "%s%s", comma, place_name(place));
		comma = ", ";
	}
}

void
directives_print(struct buffer *to)
{
	buffer_string(to, "directive\tstands in\targuments\tdefault\tmeaning\n");
	for (size_t i = 0; i < directive_count; i++) {
		const struct directive *d = &directives[i];
		const char *block = d->opens == 0 ? "" : d->needs_block ? "{ }" : "[{ }]";

		buffer_format(to, "%s\t", d->word);
		print_places(d->where, to);
		buffer_format(to, "\t%s%s%s\t%s\t%s", d->arguments != NULL ? d->arguments : "",
			      d->arguments != NULL && d->opens != 0 ? " " : "", block,
			      directive_default(d), d->sentence);
		if (d->unit != UNIT_NONE) {
			buffer_string(to, " (");
			amount_format(d->unit, d->min, to);
			buffer_string(to, " to ");
			amount_format(d->unit, d->max, to);
			buffer_char(to, ')');
		}
		if (d->reply != NULL)
			buffer_format(to, "; else %s", d->reply);
		buffer_char(to, '\n');
	}
}
