# Culver: make, make test, make lint, make fuzz, make bench, make install, make deb; V=1 says everything
#
#   CC=clang          another compiler
#   SANITIZE=1        address and undefined behaviour sanitizers, in a build folder of its own
#   BUILD=DIR         where everything is built
#   DESTDIR= PREFIX=  where `make install` puts it

PROGRAMS = master smtpd queue-manager delivery local runner bounce lookup resolver fetch signer auth auth-pam verify log culver
VERSION  = 0.1

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
SBINDIR     = $(PREFIX)/sbin
LIBEXECDIR  = $(PREFIX)/libexec/culver
MANDIR      = $(PREFIX)/share/man

CC ?= cc
ifeq ($(origin CC),default)
CC = gcc
endif
CLANG ?= clang
BUILD ?= build$(if $(SANITIZE),/sanitize)$(if $(filter clang%,$(notdir $(CC))),/clang)
Q = $(if $(V),,@)
SAY = @$(if $(V),:,printf '  %-7s %s\n')

PACKAGES   = libseccomp libbsd-overlay
# libxxhash is used as a header alone (XXH_INLINE_ALL)
CPPFLAGS  += -I. -D_GNU_SOURCE -DCULVER_VERSION='"$(VERSION)"' \
             -DCULVER_SYSCONFDIR='"$(SYSCONFDIR)"' $(shell pkg-config --cflags $(PACKAGES))
WARNINGS   = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
             -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wcast-qual -Wno-missing-field-initializers \
             -Wno-unknown-warning-option
HARDENING  = -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
CFLAGS    ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARNINGS) $(HARDENING) $(SANITIZERS) -MMD -MP
LDFLAGS   += -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
LIBS       = $(shell pkg-config --libs libseccomp) -lbsd -lmd
# what one program needs alone: LIBS_PROGRAM (Debian 12's libunbound.pc asks for that of libevent, which only a static link needs)
LIBS_resolver = -lunbound
# TLS: only where its files (common/tls) are used
LIBS_signer = -lcrypto
LIBS_smtpd = -lssl -lcrypto
LIBS_tls = $(LIBS_smtpd)
# tables: patterns and databases, served by lookup, looked through by `culver check`
LIBS_lookup = -lpcre2-8 -lsqlite3 -lidn2
LIBS_accounts = -lsqlite3 -lcrypto -lidn
LIBS_auth = $(LIBS_accounts)
LIBS_auth-pam = -lpam
LIBS_culver = -lpcre2-8 -lsqlite3 -Wl,-Bstatic -lcrypto -Wl,-Bdynamic -lidn
# HTTPS
LIBS_fetch = -lcurl -lssl -lcrypto -ljansson
LIBS_delivery = -lpcre2-8 $(LIBS_tls) -lidn
LIBS_verify = $(LIBS_delivery) -lsqlite3
LIBS_verified = -lsqlite3
# tests of the files that do it
LIBS_config = $(LIBS_culver)
ifdef SANITIZE
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DCULVER_SANITIZE
else
CPPFLAGS  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif

COMMON_SOURCES = $(wildcard common/*/*.c)
COMMON_OBJECTS = $(COMMON_SOURCES:%.c=$(BUILD)/obj/%.o)
COMMON         = $(BUILD)/libcommon.a
# the second program of a folder: its files, and those that it shares with the first
SOURCES_runner = $(wildcard local/runner/*.c) local/become.c
SOURCES_verify = $(wildcard delivery/verify/*.c) $(filter-out %/main.c %/agents.c %/agent.c %/explain.c %/syscalls.c,$(wildcard delivery/*.c))
program_objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(or $(SOURCES_$(1)),$(wildcard $(1)/*.c)))
BINARIES       = $(foreach p,$(PROGRAMS),$(BUILD)/$(p)/$(p))
UNIT_TESTS     = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*/*.c))
FUZZ_TARGETS   = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*/*.c))

# Programs that fork a process for each client or connection: without shared libraries a fork costs half, since a third of the
# mappings is to be copied (docs/performance.md).  They ask no name service.  Still position-independent.
STATIC_PROGRAMS = $(if $(SANITIZE)$(FUZZING),,smtpd delivery bounce)
pie = $(if $(filter $(1),$(STATIC_PROGRAMS)),-static-pie,-pie)
# libcrypto has name lookups and modules in it that nobody calls here: the linker's warning that they would need shared libraries is no news
LINK_NEWS = grep -v -e 'in statically linked applications requires' -e ': in function `' >&2
# where the functions of a static program stand, if it says so
order = $(if $(filter $(1),$(STATIC_PROGRAMS)),$(addprefix -Wl$(comma)-T$(comma),$(wildcard $(1)/order.ld)))
comma = ,

all: $(BINARIES)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# the patterns of replies that come with Culver stand in delivery itself
$(BUILD)/obj/delivery/replies-standard.o: etc/replies

$(COMMON): $(COMMON_OBJECTS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

define program_rule
$(BUILD)/$(1)/$(1): $$(call program_objects,$(1)) $$(COMMON)
	@mkdir -p $$(@D)
	$$(SAY) LINK $$@
	$$(Q)$$(CC) $$(ALL_CFLAGS) $(call pie,$(1)) $(call order,$(1)) $$(LDFLAGS) -o $$@ $$^ $$(LIBS_$(1)) $$(LIBS) 2>$$@.news || { cat $$@.news >&2; exit 1; }
	$$(Q)$(if $(V),cat $$@.news >&2,$$(LINK_NEWS) <$$@.news || true); rm -f $$@.news
$(1): $(BUILD)/$(1)/$(1)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# ---- unit tests: tests/unit/FOLDER/FILE.c is linked with common/ and, where FOLDER is a program, with its files but main.c

# tests/unit/PROGRAM/FILE is linked with what its program is
libs_of = $(LIBS_$(patsubst %/,%,$(dir $(1))))
without_main = $(filter-out %/main.o,$(call program_objects,$(1)))

.SECONDEXPANSION:
$(UNIT_TESTS): $(BUILD)/tests/unit/%: tests/unit/%.c $$(call without_main,$$(notdir $$(@D))) $(COMMON)
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -pie $(LDFLAGS) -o $@ $(filter-out %.h,$^) $(call libs_of,$*) $(LIBS) -lcmocka

unit-tests: $(UNIT_TESTS)

# every runner, though one fails; the runners' own closing lines are what counts
unit: $(UNIT_TESTS)
	@failed=; for t in $(UNIT_TESTS); do \
		timeout $(UNIT_TIMEOUT) $$t $(if $(V),,>$$t.log 2>&1) || { failed="$$failed $$t"; $(if $(V),,cat $$t.log;) }; \
	done; \
	$(if $(V),,cat $(UNIT_TESTS:%=%.log) | awk '/PASSED/ { passed += $$4 } /FAILED  \]/ && /listed/ { failed += $$4 } \
		END { printf "unit: %d passed, %d failed\n", passed, failed }';) \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }
UNIT_TIMEOUT = 300

# ---- fuzz targets: the same rule, with libFuzzer; seconds in `make test`, FUZZ_SECONDS each by `make fuzz`

FUZZ_BUILD   = build/fuzz
FUZZ_SECONDS ?= 60
FUZZ_FLAGS   = -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -DCULVER_SANITIZE
FUZZ_NAMES   = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*/*.c))

fuzz-build:
	$(Q)$(MAKE) --no-print-directory CC=$(CLANG) BUILD=$(FUZZ_BUILD) FUZZING=1 fuzz-targets

fuzz-targets: $(FUZZ_TARGETS)

ifdef FUZZING
CPPFLAGS  := $(filter-out -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2,$(CPPFLAGS))
SANITIZERS = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -DCULVER_SANITIZE
endif

$(FUZZ_TARGETS): $(BUILD)/tests/fuzz/%: tests/fuzz/%.c $$(call without_main,$$(notdir $$(@D))) $(COMMON)
	@mkdir -p $(@D)
	$(SAY) FUZZ $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(FUZZ_FLAGS) -pie $(LDFLAGS) -o $@ $(filter-out %.h,$^) $(call libs_of,$*) $(LIBS)

# every target: its corpus (kept in tests/fuzz/corpus, if it has one), then FUZZ_SECONDS of new inputs
fuzz: fuzz-build
	@failed=; for n in $(FUZZ_NAMES); do \
		mkdir -p $(FUZZ_BUILD)/corpus/$$n; \
		seeds=tests/fuzz/corpus/$$n; test -d $$seeds || seeds=; \
		( cd $(FUZZ_BUILD) && $(CURDIR)/$(FUZZ_BUILD)/tests/fuzz/$$n -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
			-verbosity=0 -print_final_stats=1 -artifact_prefix=$(CURDIR)/$(FUZZ_BUILD)/crash-$$(echo $$n | tr / -)- \
			corpus/$$n $${seeds:+$(CURDIR)/$$seeds} > $$(echo $$n | tr / -).log 2>&1 ) \
		&& printf '  %-7s %s: %s runs\n' FUZZ $$n "$$(sed -n 's/^stat::number_of_executed_units: *//p' $(FUZZ_BUILD)/$$(echo $$n | tr / -).log)" \
		|| { failed="$$failed $$n"; tail -30 $(FUZZ_BUILD)/$$(echo $$n | tr / -).log; }; \
	done; \
	echo "fuzz: $(words $(FUZZ_NAMES)) targets, failed:$${failed:- none}"; test -z "$$failed"

# ---- lint

C_FILES = $(wildcard */*.c */*.h local/runner/*.c local/runner/*.h common/*/*.c common/*/*.h tests/*/*/*.c tests/*/*/*.h bench/*.c)

lint: lint-format lint-house lint-cppcheck lint-tidy

lint-format:
	$(SAY) LINT clang-format
	$(Q)clang-format --dry-run -Werror $(C_FILES)

lint-house:
	$(SAY) LINT 'house rules'
	$(Q)for f in tests/lint/*.py; do /usr/bin/python3 $$f || exit 1; done

lint-cppcheck:
	$(SAY) LINT cppcheck
	$(Q)cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
		--library=tests/lint/cppcheck.cfg --suppress=missingIncludeSystem --suppress=varFuncNullUB -I. $(filter-out runner verify,$(PROGRAMS)) common

lint-tidy:
	$(SAY) LINT clang-tidy
	$(Q)printf '%s\n' $(wildcard $(PROGRAMS:%=%/*.c) local/runner/*.c delivery/verify/*.c common/*/*.c) | \
		xargs -P 2 -n 12 sh -c 'eval "clang-tidy --quiet \"\$$@\" -- $$TIDY_FLAGS" 2>/dev/null' tidy
# with quotes of their own
lint-tidy: export TIDY_FLAGS = -std=gnu11 $(CPPFLAGS)

# ---- everything

# all tests, the long ones in their short forms; the runners' own lines stand in the output
test: all
	$(Q)$(MAKE) --no-print-directory unit
	$(Q)$(if $(SANITIZE),,$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=$(FUZZ_SHORT_SECONDS))
	$(Q)$(MAKE) --no-print-directory crash-short
	$(Q)$(MAKE) --no-print-directory system-test
FUZZ_SHORT_SECONDS ?= 2

clean:
	rm -rf build

-include Makefile.install
-include Makefile.deb
-include tests/Makefile.tests
-include bench/Makefile.bench
-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)

.PHONY: all unit-tests unit fuzz fuzz-build fuzz-targets lint lint-format lint-house lint-cppcheck lint-tidy test clean $(PROGRAMS)
