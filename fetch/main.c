/*
 * fetch - HTTPS for the others (libcurl): the policies of MTA-STS (RFC 8461), and their keeping; the tokens of logins (OAuth2)
 *
 * Answers delivery and `culver tls` (common/protocol/fetch.h).  Each download is a process of its own (download.c), which asks resolver
 * for names; what it brings is read here.  The directory of the policies and the authorities are opened before it enters its room.  See culver-fetch(8).
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>

#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/start.h"
#include "fetch/authorities.h"
#include "fetch/cache.h"
#include "fetch/serve.h"
#include "fetch/syscalls.h"

#define GENERATIONS 2 /* of delivery, whose parents kill their agents without waiting for us */
#define DESCRIPTORS_SPARE 64

int
main(void)
{
	const struct start *s = start_take("fetch");
	const struct config *config = config_take();
	const char *path = start_directory(s, "sts");
	size_t clients_max = GENERATIONS * (size_t)config->limits.agents + SERVE_CLIENTS_SPARE;
	struct confine_limits limits = {
		.descriptors = clients_max + 2 * (size_t)DOWNLOADS_MAX + DESCRIPTORS_SPARE,
		.memory = UINT64_C(1) << 30,
		.file_size = CACHE_FILE_MAX,
		.may_fork = true,
	};
	struct download_means means = {.resolver = start_path(s, "resolver")};

	events_start("fetch", start_path(s, "log"));
	means.directory = path != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (means.directory < 0)
		fatal(EXIT_OS, errno, "the directory of the policies");
	means.authorities = authorities_read(config);
	struct tokens *tokens = tokens_read(s, config);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		fatal(EXIT_OS, 0, "libcurl does not start");
	confine(s, fetch_syscalls, &limits);
	start_serving(s);
	serve(start_listen(s, "fetch"), &means, tokens, clients_max);
	events_end();
	return 0;
}
