# Culver: make, make test, make lint, make fuzz, make bench, make install; V=1 says everything
#
#   CC=clang          another compiler
#   SANITIZE=1        address and undefined behaviour sanitizers, in a build folder of its own
#   BUILD=DIR         where everything is built
#   DESTDIR= PREFIX=  where `make install` puts it

PROGRAMS = master smtpd queue-manager delivery local bounce lookup log culver
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
CPPFLAGS  += -I. -D_GNU_SOURCE -DCULVER_VERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PACKAGES))
WARNINGS   = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
             -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wcast-qual -Wno-missing-field-initializers \
             -Wno-unknown-warning-option
HARDENING  = -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
CFLAGS    ?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARNINGS) $(HARDENING) $(SANITIZERS) -MMD -MP
LDFLAGS   += -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
LIBS       = $(shell pkg-config --libs libseccomp) -lbsd
ifdef SANITIZE
SANITIZERS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DCULVER_SANITIZE
else
CPPFLAGS  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif

COMMON_SOURCES = $(wildcard common/*/*.c)
COMMON_OBJECTS = $(COMMON_SOURCES:%.c=$(BUILD)/obj/%.o)
COMMON         = $(BUILD)/libcommon.a
program_objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)/*.c))
BINARIES       = $(foreach p,$(PROGRAMS),$(BUILD)/$(p)/$(p))
UNIT_TESTS     = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*/*.c))
FUZZ_TARGETS   = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*/*.c))

all: $(BINARIES)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(COMMON): $(COMMON_OBJECTS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

define program_rule
$(BUILD)/$(1)/$(1): $$(call program_objects,$(1)) $$(COMMON)
	@mkdir -p $$(@D)
	$$(SAY) LINK $$@
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(LIBS)
$(1): $(BUILD)/$(1)/$(1)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# ---- unit tests: tests/unit/FOLDER/FILE.c is linked with common/ and, where FOLDER is a program, with its files but main.c

without_main = $(filter-out %/main.o,$(call program_objects,$(1)))

.SECONDEXPANSION:
$(UNIT_TESTS): $(BUILD)/tests/unit/%: tests/unit/%.c $$(call without_main,$$(patsubst %/,%,$$(dir $$*))) $(COMMON)
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

unit-tests: $(UNIT_TESTS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: all unit-tests $(PROGRAMS)
